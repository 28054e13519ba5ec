// Does the stage do what each step of a container of config.json says? Driven alone: a hand-made plan, and no host side
// but this file. (What every launch of convox does is judged in run.cc, confinement.cc and exec.cc.)
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/host.h"
#include "runtime/sealed.h"
#include "runtime/security/capabilities.h"
#include "runtime/stage_image.h"
#include "runtime/stage_plan.h"
#include "runtime/words.h"
#include "tests/support/files.h"
#include "tests/support/needs.h"
#include "tests/support/wait.h"

using namespace convox;
using namespace convox::stage;
using namespace convox::test;

namespace {

constexpr auto kNeeds = Root | PrivateNamespaces;
constexpr std::uint64_t kTight = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
constexpr int kSocket = 200, kPlan = 201;  // their numbers in the stage

std::string numbers(const std::vector<std::uint32_t>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(std::uint32_t)};
}

// What the stage said, and how it ended.
struct Outcome {
  std::vector<Report> reports;
  std::string out;
  int status = -1;  // exit status, or 128 + N
  [[nodiscard]] bool said(Report::Kind kind) const {
    for (const Report& report : reports)
      if (report.kind == kind) return true;
    return false;
  }
};

// A stage with a plan in namespaces of its own, whose root is a directory with busybox.
class Inside {
 public:
  runtime::StagePlan plan;
  std::vector<int> preserved;  // become 3, 4, ...
  Verify verify{.bounding = 0, .no_new_privs = true, .mounts = Verify::Mounts::kExactly};
  SetCapabilities capabilities{};
  std::uint32_t uid = 0;
  std::uint64_t keeps = 0;  // bounding set
  bool user_namespace = false;
  std::string root;

  Inside() {
    char name[] = "/tmp/convox-stage-XXXXXX";
    root = mkdtemp(name);
    chmod(root.c_str(), 0755);
    for (const char* dir : {"/bin", "/proc", "/etc", "/mnt", "/n"}) make_directories(root + dir);
    write_file(root + "/bin/busybox", read_file("/bin/busybox"), 0755);
    for (const char* applet : {"sh", "cat", "ls", "stat", "readlink", "id", "sleep", "env", "grep", "true"})
      cr_assert(symlink("busybox", (root + "/bin/" + applet).c_str()) == 0);
    write_file(root + "/etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
    tree_ = add(static_cast<int>(sys::open_tree(AT_FDCWD, root.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    mount_attr set{};
    set.propagation = MS_PRIVATE;  // pivot_root(2) wants it
    cr_assert(sys::mount_setattr(slots_[0], "", AT_EMPTY_PATH, &set, sizeof set) == 0);
  }
  ~Inside() {
    if (pidfd_ >= 0) {
      syscall(SYS_pidfd_send_signal, pidfd_, SIGKILL, nullptr, 0);
      reap();
    }
    for (const int fd : slots_) close(fd);
    for (const int fd : {socket_, out_}) close(fd);
    remove_tree(root);
  }

  // A descriptor that the stage receives.
  Slot add(int fd) {
    cr_assert(fd >= 0, "%s", strerror(errno));
    slots_.push_back(fd);
    return {static_cast<std::uint32_t>(slots_.size() - 1)};
  }
  Text text(std::string_view value) { return plan.text(value); }

  // `count` slots have been added in the end.
  void begin(std::uint32_t count, const std::string& at = "") {
    plan.then(StartSession{});
    plan.then(CleanSlate{});
    plan.then(UnshareMounts{});
    plan.then(Receive{count});
    plan.then(AttachRoot{.tree = tree_, .at = text(at), .attributes = 0});
    plan.then(MountNew{text("proc"), text("/proc"), plan.list({}), kTight, Target::kPlainDirectory});
  }
  void become() {
    plan.then(TakeUser{uid, uid, text(numbers({uid})), false});
    if (verify.no_new_privs) plan.then(NoNewPrivileges{});
    plan.then(DropBounding{keeps});
    plan.then(BecomeUser{});
    plan.then(ChangeDirectory{text("/"), false});
    plan.then(capabilities);
    plan.then(FindCommand{});
  }
  void end(const std::string& command, const std::string& filter = "", std::uint32_t flags = 0, bool listens = false) {
    verify.bounding = keeps;
    plan.then(verify);
    plan.then(CloseOnExec{verify.preserved});
    if (!filter.empty()) plan.then(LoadFilter{text(filter), flags, listens, !verify.no_new_privs});
    plan.then(Execute{});
    plan.argv = {"sh", "-c", command};
    if (plan.env.empty()) plan.env = {"PATH=/bin"};
  }

  void start() {
    int socket[2], out[2], go[2];
    cr_assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socket) == 0);
    cr_assert(pipe2(out, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0);
    const auto host = runtime::read_host();
    cr_assert(host.has_value());
    const bool newer = host->executable_memfd_flag();
    auto program = runtime::sealed("stage", runtime::stage_image(), true, newer);
    auto bytes = runtime::sealed("plan", plan.bytes(1), false, newer);
    cr_assert(program && bytes);
    clone_args args{};
    args.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_PIDFD;
    if (user_namespace) args.flags |= CLONE_NEWUSER;
    args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd_);
    args.exit_signal = SIGCHLD;
    pid_ = static_cast<int>(syscall(SYS_clone3, &args, sizeof args));
    cr_assert(pid_ >= 0, "clone3: %s", strerror(errno));
    if (pid_ == 0) {
      char byte = 0;
      if (read(go[0], &byte, 1) != 1) _exit(99);
      if (user_namespace && (setresgid(0, 0, 0) != 0 || setresuid(0, 0, 0) != 0)) _exit(98);
      syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
      const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
      dup2(null, 0), dup2(out[1], 1), dup2(out[1], 2);
      dup2(socket[1], kSocket), dup2(bytes->get(), kPlan);
      const int stage = fcntl(program->get(), F_DUPFD_CLOEXEC, 210);
      for (std::size_t i = 0; i < preserved.size(); ++i) dup2(preserved[i], static_cast<int>(3 + i));
      char name[] = "stage", first[] = "200", second[] = "201";
      char* const argv[] = {name, first, second, nullptr};
      char* const envp[] = {nullptr};
      syscall(SYS_execveat, stage, "", argv, envp, AT_EMPTY_PATH);
      _exit(97);
    }
    close(socket[1]), close(out[1]), close(go[0]);
    socket_ = socket[0];
    out_ = out[0];
    if (user_namespace)
      for (const char* map : {"uid_map", "gid_map"}) write_file(cat("/proc/", pid_, "/", map), "0 100000 65536\n");
    cr_assert(write(go[1], "", 1) == 1);
    close(go[1]);
    Report report;
    cr_assert(next(&report) && report.kind == Report::kHello);
    send_slots();
  }

  // The next packet; false at the end of file.
  bool next(Report* report, int* descriptor = nullptr) {
    pollfd ready{socket_, POLLIN, 0};
    cr_assert(poll(&ready, 1, 20'000 * slowness()) == 1, "the stage says nothing");
    iovec data{report, sizeof *report};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
    if (const cmsghdr* part = CMSG_FIRSTHDR(&message); got > 0 && part && descriptor)
      std::memcpy(descriptor, CMSG_DATA(part), sizeof *descriptor);
    return got == static_cast<ssize_t>(sizeof *report);
  }
  void go() { cr_assert(write(socket_, "\1", 1) == 1); }
  // From here on the conversation is with `socket`.
  void talk_to(int socket) {
    close(socket_);
    socket_ = socket;
  }
  [[nodiscard]] int pid() const { return pid_; }

  // All that it still says, then its end.
  Outcome finish() {
    Outcome outcome;
    for (Report report; next(&report);) outcome.reports.push_back(report);
    char buffer[4096];
    for (ssize_t got = 1; got > 0;) {
      pollfd ready{out_, POLLIN, 0};
      cr_assert(poll(&ready, 1, 20'000 * slowness()) == 1, "the payload does not end");
      got = read(out_, buffer, sizeof buffer);
      if (got > 0) outcome.out.append(buffer, static_cast<std::size_t>(got));
    }
    outcome.status = reap();
    return outcome;
  }
  Outcome run() {
    start();
    return finish();
  }
  int reap() {
    int status = 0;
    waitpid(pid_, &status, 0);
    close(pidfd_);
    pidfd_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // The text of the one failure.
  std::string failure(const Outcome& outcome) const {
    for (const Report& report : outcome.reports)
      if (report.kind == Report::kFailed) {
        cr_assert(report.step >= 1 && report.step <= plan.steps().size());
        cr_expect(report.deed == plan.steps()[report.step - 1].index());
        return runtime::explain_failure(plan.steps()[report.step - 1], plan, Errno(-report.error), report.detail).text;
      }
    return "";
  }

 private:
  void send_slots() {
    char byte = 0;
    iovec data{&byte, 1};
    std::string control(CMSG_SPACE(slots_.size() * sizeof(int)), '\0');
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(slots_.size() * sizeof(int));
    std::memcpy(CMSG_DATA(part), slots_.data(), slots_.size() * sizeof(int));
    cr_assert(sendmsg(socket_, &message, MSG_NOSIGNAL) == 1);
  }

  std::vector<int> slots_;
  Slot tree_;
  int pid_ = -1, pidfd_ = -1, socket_ = -1, out_ = -1;
};

int memory_file(std::string_view content) {
  const int fd = memfd_create("test", MFD_CLOEXEC);
  cr_assert(write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return fd;
}

std::string content_of(int fd) {
  std::string text(4096, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

int listening(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{AF_UNIX, {}};
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  cr_assert(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(fd, 8) == 0);
  return fd;
}
int connected(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  sockaddr_un address{AF_UNIX, {}};
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  cr_assert(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

// A stage that stops at a gate, whose socket is beside its root.
struct Gated : Inside {
  std::string gate = root + ".gate";
  Slot socket = add(listening(gate));
  explicit Gated(const std::vector<std::string>& argv) {
    begin(2);
    plan.then(PivotRoot{});
    become();
    plan.then(Gate{socket});
    end("");
    plan.argv = argv;
    start();
    Report report;
    cr_assert(next(&report) && report.kind == Report::kCreated);
    cr_assert(not next(&report));  // and lets its host side go
  }
  ~Gated() { unlink(gate.c_str()); }
};

// Allows everything but one call, whose answer is `action`.
std::string filter_of(std::uint32_t call, std::uint32_t action) {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return {reinterpret_cast<const char*>(program), sizeof program};
}

// With a hook inside, before the root is entered: `command` by the host's busybox.
struct Hooked : Inside {
  int output = memory_file("");
  Slot state = add(memory_file("{\"id\":\"c\"}")), said = add(dup(output));
  explicit Hooked(const std::string& command, std::uint32_t timeout = 0, const std::string& path = "/bin/busybox") {
    begin(3);
    plan.then(
        RunHook{text(path), plan.list({"busybox", "sh", "-c", command}), plan.list({"A=b"}), timeout, state, said});
    plan.then(PivotRoot{});
    become();
  }
  ~Hooked() { close(output); }
};

}  // namespace

Test(stage_steps, the_gate_holds_a_container_until_somebody_connects) {
  REQUIRE(kNeeds);
  Gated box({"sh", "-c", "echo ran; ls /proc/self/fd"});
  box.talk_to(connected(box.gate));
  const Outcome outcome = box.finish();
  cr_assert(outcome.said(Report::kReady));
  EXPECT_TEXT(outcome.out, "ran\n0\n1\n2\n3\n");  // 3 is the directory that ls reads
  cr_expect(outcome.status == 0);
}

// PID 1 of a PID namespace gets only signals that it has a handler for.
Test(stage_steps, at_the_gate_a_signal_to_end_ends_it_and_no_other_does) {
  REQUIRE(kNeeds);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    Gated box({"sh", "-c", "echo ran"});
    kill(box.pid(), SIGUSR1);
    kill(box.pid(), signal);
    cr_expect(box.reap() == 128 + signal);
  }
}

Test(stage_steps, behind_the_gate_the_payload_has_the_handlers_of_a_new_program) {
  REQUIRE(kNeeds);
  Gated box({"grep", "-E", "Sig(Cgt|Ign|Blk)", "/proc/self/status"});
  box.talk_to(connected(box.gate));
  EXPECT_TEXT(box.finish().out, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n");
}

Test(stage_steps, whoever_opens_the_gate_and_leaves_ends_it) {
  REQUIRE(kNeeds);
  Gated box({"sh", "-c", "echo ran"});
  kill(box.pid(), SIGSTOP);
  int status = 0;
  cr_assert(waitpid(box.pid(), &status, WUNTRACED) == box.pid() && WIFSTOPPED(status));
  close(connected(box.gate));
  kill(box.pid(), SIGCONT);
  const Outcome outcome = box.finish();
  EXPECT_TEXT(outcome.out, "");
  cr_expect(outcome.status == kStageFailed, "%d", outcome.status);
}

Test(stage_steps, what_fails_behind_the_gate_is_told_to_whoever_opened_it) {
  REQUIRE(kNeeds);
  Gated box({"sh", "-c", "echo ran"});
  unlink((box.root + "/bin/busybox").c_str());  // FindCommand has found it already
  box.talk_to(connected(box.gate));
  const Outcome outcome = box.finish();
  EXPECT_TEXT(box.failure(outcome), "not found in the container");
  cr_expect(outcome.status == kStageFailed);
}

Test(stage_steps, the_host_side_is_waited_for_when_it_has_hooks_to_run) {
  REQUIRE(kNeeds);
  Inside box;
  box.begin(1);
  box.plan.then(AwaitHooks{});
  box.plan.then(PivotRoot{});
  box.become();
  box.end("echo ran");
  box.start();
  Report report;
  cr_assert(box.next(&report) && report.kind == Report::kAtHooks);
  box.go();
  EXPECT_TEXT(box.finish().out, "ran\n");
}

Test(stage_steps, a_hook_gets_the_state_its_environment_and_nothing_else) {
  REQUIRE(kNeeds);
  Hooked box("cat; echo; env | grep -v -E '^(PATH|PWD|SHLVL|OLDPWD|_)='; ls /proc/self/fd >&2");
  box.end("echo ran");
  const Outcome outcome = box.run();
  EXPECT_TEXT(outcome.out, "ran\n");
  EXPECT_CONTAINS(content_of(box.output), "{\"id\":\"c\"}\nA=b\n0\n1\n2\n3\n");
}

Test(stage_steps, a_hook_that_fails_ends_the_launch_and_the_failure_says_how) {
  REQUIRE(kNeeds);
  const struct {
    const char* command;
    const char* path;
    const char* text;
  } cases[] = {{"exit 3", "/bin/busybox", "hook /bin/busybox: exit status 3"},
               {"kill -9 $$", "/bin/busybox", "hook /bin/busybox: killed by signal 9"},
               {"", "/bin/missing", "hook /bin/missing: No such file or directory (ENOENT)"},
               {"sleep 1000 & sleep 1000", "/bin/busybox", "hook /bin/busybox: it did not end within 1 s"}};
  for (const auto& [command, path, text] : cases) {
    Hooked box(command, 1, path);
    box.end("echo ran");
    const Outcome outcome = box.run();
    EXPECT_TEXT(box.failure(outcome), text);
    EXPECT_TEXT(outcome.out, "");
    cr_expect(outcome.status == kStageFailed);
  }
}

Test(stage_steps, what_a_hook_mounts_is_refused_where_exactly_the_plans_mounts_may_be) {
  REQUIRE(kNeeds);
  for (const auto mounts : {Verify::Mounts::kExactly, Verify::Mounts::kAtLeast}) {
    Hooked box("");
    box.plan = {};
    box.begin(3, box.root);  // where a hook would look for it
    box.plan.then(RunHook{box.text("/bin/busybox"),
                          box.plan.list({"busybox", "mount", "-t", "tmpfs", "none", box.root + "/mnt"}),
                          box.plan.list({}), 0, box.state, box.said});
    box.plan.then(PivotRoot{});
    box.become();
    box.verify.mounts = mounts;
    box.end("grep ' /mnt ' /proc/self/mountinfo");
    const Outcome outcome = box.run();
    if (mounts == Verify::Mounts::kExactly)
      EXPECT_TEXT(box.failure(outcome), "there is a mount that was not planned");
    else
      EXPECT_CONTAINS(outcome.out, " - tmpfs none ");
  }
}

Test(stage_steps, a_new_time_namespace_is_entered_with_its_offsets) {
  REQUIRE(kNeeds);
  if (!exists("/proc/self/ns/time")) cr_skip("needs time namespaces");
  char outside[64] = "";
  cr_assert(readlink("/proc/self/ns/time", outside, sizeof outside - 1) > 0);
  for (const bool user_namespace : {false, true}) {
    Inside box;
    box.user_namespace = user_namespace;
    box.begin(1);
    box.plan.then(NewTimeNamespace{{86400, 500}, {-1, 7}});
    box.plan.then(PivotRoot{});
    box.become();
    box.end("cat /proc/self/timens_offsets; readlink /proc/self/ns/time");
    const Outcome outcome = box.run();
    EXPECT_TEXT(box.failure(outcome), "");
    EXPECT_CONTAINS(outcome.out, "monotonic       86400       500\nboottime           -1         7\n");
    EXPECT_CONTAINS(outcome.out, "time:[");
    cr_expect(outcome.out.find(outside) == std::string::npos);
  }
}

Test(stage_steps, a_time_namespace_is_joined_by_descriptor) {
  REQUIRE(kNeeds);
  if (!exists("/proc/self/ns/time")) cr_skip("needs time namespaces");
  Inside first;
  first.begin(1);
  first.plan.then(NewTimeNamespace{{1000, 0}, {}});
  first.plan.then(PivotRoot{});
  first.become();
  first.end("sleep 1000");
  first.start();
  Report report;
  cr_assert(first.next(&report) && report.kind == Report::kReady);
  cr_assert(not first.next(&report));
  const std::string path = cat("/proc/", first.pid(), "/ns/time");
  char expected[64] = "";
  cr_assert(readlink(path.c_str(), expected, sizeof expected - 1) > 0);
  Inside box;
  const Slot it = box.add(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  box.begin(2);
  box.plan.then(JoinTimeNamespace{it});
  box.plan.then(PivotRoot{});
  box.become();
  box.end("readlink /proc/self/ns/time");
  EXPECT_TEXT(box.run().out, std::string(expected) + "\n");
}

Test(stage_steps, a_node_has_its_number_mode_and_owner_and_another_in_its_place_is_refused) {
  REQUIRE(kNeeds);
  const auto outcome_with = [](mode_t mode, dev_t there, std::string* failure) {
    Inside box;
    if (mode != 0) cr_assert(mknod((box.root + "/n/null").c_str(), mode, there) == 0);
    box.begin(1);
    box.plan.then(MakeNode{box.text("/n/null"), S_IFCHR | 0662, 1, 3, 7, 8});
    box.plan.then(MakeNode{box.text("/new/deep/fifo"), S_IFIFO | 0620, 0, 0, 1, 2});
    box.plan.then(MakeLink{box.text("/n/link"), box.text("null")});
    box.plan.then(PivotRoot{});
    box.become();
    box.end("stat -c '%a %u:%g %t:%T %F' /n/null /new/deep/fifo; readlink /n/link");
    const Outcome outcome = box.run();
    *failure = box.failure(outcome);
    return outcome.out;
  };
  std::string failure;
  EXPECT_TEXT(outcome_with(0, 0, &failure), "662 7:8 1:3 character special file\n620 1:2 0:0 fifo\nnull\n");
  EXPECT_CONTAINS(outcome_with(S_IFCHR | 0600, makedev(1, 3), &failure), "600 0:0 1:3 character special file\n");
  EXPECT_TEXT(failure, "");
  EXPECT_TEXT(outcome_with(S_IFCHR | 0600, makedev(1, 5), &failure), "");
  EXPECT_CONTAINS(failure, "mknodat");
  EXPECT_CONTAINS(failure, "EEXIST");
  EXPECT_TEXT(outcome_with(S_IFREG | 0600, 0, &failure), "");
  EXPECT_CONTAINS(failure, "EEXIST");
}

Test(stage_steps, the_five_capability_sets_are_those_asked_for) {
  REQUIRE(kNeeds);
  Inside box;
  box.uid = 1000;
  box.keeps = security::bit(0) | security::bit(10) | security::bit(13);
  box.capabilities = {.permitted = box.keeps,
                      .effective = security::bit(0),
                      .inheritable = security::bit(10) | security::bit(13),
                      .ambient = security::bit(10)};
  box.begin(1);
  box.plan.then(PivotRoot{});
  box.become();
  box.end("grep -E '^Cap' /proc/self/status; id -u");
  const Outcome outcome = box.run();
  EXPECT_TEXT(box.failure(outcome), "");
  // After execve by a user what is left is the ambient set.
  EXPECT_TEXT(outcome.out,
              "CapInh:\t0000000000002400\nCapPrm:\t0000000000000400\nCapEff:\t0000000000000400\n"
              "CapBnd:\t0000000000002401\nCapAmb:\t0000000000000400\n1000\n");
}

Test(stage_steps, without_no_new_privs_the_filter_is_loaded_last_and_its_right_given_up) {
  REQUIRE(kNeeds);
  for (const std::uint32_t uid : {0U, 1000U}) {
    Inside box;
    box.uid = uid;
    box.verify.no_new_privs = false;
    box.capabilities.for_filter = true;
    box.begin(1);
    box.plan.then(PivotRoot{});
    box.become();
    // Of all that the stage does before, only the capset behind the filter is left.
    box.end("grep -E '^(CapPrm|CapEff|NoNewPrivs|Seccomp):' /proc/self/status; busybox mkdir /x",
            filter_of(SYS_mkdir, SECCOMP_RET_ERRNO | EXDEV));
    const Outcome outcome = box.run();
    EXPECT_TEXT(box.failure(outcome), "");
    EXPECT_CONTAINS(outcome.out, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nNoNewPrivs:\t0\nSeccomp:\t2\n");
    EXPECT_CONTAINS(outcome.out, "Invalid cross-device link");
  }
}

Test(stage_steps, a_filter_that_forbids_to_give_the_right_up_ends_the_launch) {
  REQUIRE(kNeeds);
  Inside box;
  box.verify.no_new_privs = false;
  box.capabilities.for_filter = true;
  box.begin(1);
  box.plan.then(PivotRoot{});
  box.become();
  box.end("echo ran", filter_of(SYS_capset, SECCOMP_RET_ERRNO | EPERM));
  const Outcome outcome = box.run();
  EXPECT_TEXT(outcome.out, "");
  cr_expect(outcome.status == kStageFailed);
}

Test(stage_steps, the_listener_of_a_filter_comes_to_the_host_side) {
  REQUIRE(kNeeds);
  Inside box;
  box.begin(1);
  box.plan.then(PivotRoot{});
  box.become();
  box.end("echo ran; ls /proc/self/fd", filter_of(SYS_mkdir, SECCOMP_RET_USER_NOTIF),
          SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG, true);
  box.start();
  Report report;
  int listener = -1;
  cr_assert(box.next(&report) && report.kind == Report::kReady);
  cr_assert(box.next(&report, &listener) && report.kind == Report::kListener);
  char what[64] = "";
  cr_assert(readlink(cat("/proc/self/fd/", listener).c_str(), what, sizeof what - 1) > 0);
  EXPECT_TEXT(what, "anon_inode:seccomp notify");
  EXPECT_TEXT(box.finish().out, "ran\n0\n1\n2\n3\n");
  close(listener);
}

Test(stage_steps, descriptors_to_be_preserved_are_the_payloads_and_one_that_is_missing_is_an_error) {
  REQUIRE(kNeeds);
  for (const std::uint32_t count : {2U, 3U}) {
    Inside box;
    box.preserved = {memory_file("three"), memory_file("four")};
    box.verify.preserved = count;
    box.begin(1);
    box.plan.then(PivotRoot{});
    box.become();
    box.end("cat /proc/self/fd/3 /proc/self/fd/4; echo; ls /proc/self/fd");
    const Outcome outcome = box.run();
    if (count == 2)
      EXPECT_TEXT(outcome.out, "threefour\n0\n1\n2\n3\n4\n5\n");
    else
      // 5 is one that the stage received.
      EXPECT_TEXT(box.failure(outcome), "a descriptor is open that should not be");
    for (const int fd : box.preserved) close(fd);
  }
  // A descriptor, and no word of it.
  Inside box;
  box.preserved = {memory_file("three")};
  box.begin(1);
  box.plan.then(PivotRoot{});
  box.become();
  box.end("echo ran");
  EXPECT_TEXT(box.failure(box.run()), "a descriptor is open that should not be");
}

Test(stage_steps, a_root_at_its_own_place_and_one_that_is_moved_leave_nothing_of_the_hosts) {
  REQUIRE(kNeeds);
  for (const bool aside : {false, true})
    for (const bool moved : {false, true}) {
      Inside box;
      box.begin(1, aside ? box.root : "");
      if (moved)
        box.plan.then(MoveRoot{});
      else
        box.plan.then(PivotRoot{});
      box.become();
      box.end("grep -c . /proc/self/mountinfo; ls /; ls /..");
      const Outcome outcome = box.run();
      EXPECT_TEXT(box.failure(outcome), "");
      EXPECT_TEXT(outcome.out, "2\nbin\netc\nmnt\nn\nproc\nbin\netc\nmnt\nn\nproc\n");
    }
}

Test(stage_steps, a_root_goes_only_where_its_own_directory_is) {
  REQUIRE(kNeeds);
  Inside box;
  box.begin(1, "/tmp");
  box.plan.then(PivotRoot{});
  box.become();
  box.end("echo ran");
  EXPECT_CONTAINS(box.failure(box.run()), "ESTALE");
}

Test(stage_steps, a_mount_becomes_read_only_at_last_and_only_one_of_the_plans) {
  REQUIRE(kNeeds);
  for (const char* target : {"/mnt", "/etc", "/mnt/below"}) {
    Inside box;
    box.begin(1);
    box.plan.then(MountNew{box.text("tmpfs"), box.text("/mnt"), box.plan.list({"mode=755"}), kTight});
    box.plan.then(MakeDirectory{box.text("/mnt/below")});
    box.plan.then(MakeReadOnly{box.text(target)});
    box.plan.then(PivotRoot{});
    box.become();
    box.end("grep ' /mnt ' /proc/self/mountinfo; ls /mnt");
    const Outcome outcome = box.run();
    if (std::string(target) == "/mnt") {
      EXPECT_CONTAINS(outcome.out, " /mnt ro,nosuid,nodev,noexec");
      EXPECT_CONTAINS(outcome.out, "below\n");
    } else {
      EXPECT_CONTAINS(box.failure(outcome), "EINVAL");
    }
  }
}

// Also what is mounted below it, and no flag but that one changes.
Test(stage_steps, a_path_becomes_read_only_with_all_below_it_and_one_that_is_missing_is_passed_over) {
  REQUIRE(kNeeds);
  Inside box;
  box.begin(1);
  box.plan.then(MountNew{box.text("tmpfs"), box.text("/mnt/below"), box.plan.list({}), MOUNT_ATTR_NODEV});
  box.plan.then(PivotRoot{});
  for (const char* path : {"/mnt", "/missing", "/etc/passwd/missing"}) box.plan.then(ReadOnly{box.text(path)});
  box.become();
  box.end("grep ' /mnt' /proc/self/mountinfo | busybox cut -d' ' -f5,6; echo >/mnt/a; echo >/mnt/below/b");
  const Outcome outcome = box.run();
  EXPECT_TEXT(box.failure(outcome), "");
  EXPECT_CONTAINS(outcome.out, "/mnt ro,");
  EXPECT_CONTAINS(outcome.out, "/mnt/below rw,nodev");  // what was there, and over it
  EXPECT_CONTAINS(outcome.out, "/mnt/below ro,nodev");
  EXPECT_CONTAINS(outcome.out, "can't create /mnt/a: Read-only file system");
  EXPECT_CONTAINS(outcome.out, "can't create /mnt/below/b: Read-only file system");
  cr_expect(outcome.out.find("noexec") == std::string::npos);
}

Test(stage_steps, a_propagation_is_set_and_refused_where_none_was_asked_for) {
  REQUIRE(kNeeds);
  for (const bool asked : {true, false}) {
    Inside box;
    box.begin(1);
    box.plan.then(PivotRoot{});
    box.plan.then(SetPropagation{MS_SHARED, true});
    box.become();
    box.verify.may_be_shared = asked;
    box.end("grep -c shared: /proc/self/mountinfo");
    const Outcome outcome = box.run();
    if (asked)
      EXPECT_TEXT(outcome.out, "2\n");
    else
      EXPECT_TEXT(box.failure(outcome), "a mount is shared with the host");
  }
}

Test(stage_steps, home_is_the_users_in_the_image_if_the_environment_has_none_or_an_empty_one) {
  REQUIRE(kNeeds);
  for (const char* home : {"", "HOME="}) {
    Inside box;
    box.uid = 1000;
    box.plan.adds_home = true;
    box.plan.env = {"PATH=/bin"};
    if (*home) box.plan.env.emplace_back(home);
    box.begin(1);
    box.plan.then(PivotRoot{});
    box.become();
    box.end("echo $HOME");
    EXPECT_TEXT(box.run().out, "/home/app\n");
  }
}

Test(stage_steps, limits_domain_name_scheduler_and_io_priority_are_those_asked_for) {
  REQUIRE(kNeeds);
  Inside box;
  box.begin(1);
  box.plan.then(SetDomainname{box.text("inside.example")});
  box.plan.then(SetLimit{7 /* RLIMIT_NOFILE */, 100, 200, true});
  box.plan.then(SetScheduler{.policy = 3 /* SCHED_BATCH */, .nice = 5});
  box.plan.then(SetIoPriority{2 << 13 | 6});
  box.plan.then(SetPersonality{8 /* PER_LINUX32 */});
  box.plan.then(PivotRoot{});
  box.become();
  box.end(
      "cat /proc/sys/kernel/domainname; ulimit -Sn; ulimit -Hn; busybox ionice; cat /proc/self/personality;"
      " grep policy /proc/self/sched; busybox cut -d' ' -f19,41 /proc/self/stat");
  const Outcome outcome = box.run();
  EXPECT_TEXT(box.failure(outcome), "");
  EXPECT_CONTAINS(outcome.out, "inside.example\n100\n200\n");
  EXPECT_CONTAINS(outcome.out, "best-effort: prio 6\n");
  EXPECT_CONTAINS(outcome.out, "00000008\n");
  EXPECT_CONTAINS(outcome.out, "5 3\n");
}

Test(stage_steps, a_limit_beyond_the_callers_is_capped_or_refused_but_never_half_set) {
  REQUIRE(kNeeds);
  for (const bool exact : {false, true}) {
    Inside box;
    box.user_namespace = true;  // there nobody may raise one
    box.begin(1);
    box.plan.then(SetLimit{7, 100, 200, false});
    box.plan.then(SetLimit{7, 300, 300, exact});
    box.plan.then(PivotRoot{});
    box.become();
    box.end("ulimit -Sn; ulimit -Hn");
    const Outcome outcome = box.run();
    if (exact)
      EXPECT_CONTAINS(box.failure(outcome), "EPERM");
    else
      EXPECT_TEXT(outcome.out, "200\n200\n");
  }
}
