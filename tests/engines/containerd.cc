// Do containerd's shim and ctr(1) get from the runtime what they ask for?
//
// One containerd for all tests, with a state, a socket and a configuration of its own: the fragment that packaging/
// installs is in it. Each container has a shim (containerd-shim-runc-v2), which is what calls the runtime; the last
// test kills one. (A command that reads its input to the end would wait: ctr forgets to pass on an end of file that
// comes before the container runs.) ctr asks for a share of the processors unless told not to, and a runtime refuses
// that where the controller is missing.
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <optional>

#include "runtime/base/cat.h"
#include "tests/support/engines.h"
#include "tests/support/image.h"
#include "tests/support/wait.h"

using namespace convox::test;
using Words = std::vector<std::string>;

namespace {

constexpr auto kNeeds = Root | CgroupV2;
constexpr const char *kSocket = "/run/cd.sock", *kImage = "localhost/app:latest";

std::optional<Program> daemon_;  // its life is the session's

Ran ctr(Words words) {
  words.insert(words.begin(), {"/usr/bin/ctr", "--address", kSocket});
  return start_beside_engines(words).wait();
}

std::string configuration() { return Session::path() + "/containerd.toml"; }

void begin() {
  Session::begin({"containerd", "containerd-shim-runc-v2", "ctr"});
  if (!Session::missing().empty() || !Session::trouble().empty()) return;
  write_file(
      configuration(),
      convox::cat("version = 2\nroot = \"", Session::path(), "/containerd\"\nstate = \"/run/cd\"\nimports = [\"",
                  Session::path(), "/runtime.toml\"]\n",
                  // Without the CRI: it wants CNI plugins. The others look for tools and file systems of their own.
                  "disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.snapshotter.v1.btrfs\", "
                  "\"io.containerd.snapshotter.v1.zfs\", \"io.containerd.snapshotter.v1.aufs\", "
                  "\"io.containerd.snapshotter.v1.devmapper\", \"io.containerd.internal.v1.opt\", "
                  "\"io.containerd.tracing.processor.v1.otlp\", \"io.containerd.internal.v1.tracing\"]\n",
                  "[grpc]\naddress = \"", kSocket, "\"\n"));
  write_file(Session::path() + "/runtime.toml", read_file("packaging/containerd/convox-oci.toml"));
  daemon_.emplace(
      start_beside_engines({"/bin/sh", "-c", "exec containerd --config \"$1\" >\"$1.log\" 2>&1", "-", configuration()},
                           {.limit = std::chrono::seconds(500)}));
  std::string trouble;
  if (!comes_true([] { return ctr({"version"}).status == 0; })) trouble = read_file(configuration() + ".log");
  // An image without a registry: docker-archive, as `podman save` and `docker save` write it.
  const std::string image = Session::path() + "/tmp/image";
  const std::string layer = read_file(Session::archive());
  write_file(image + "/layer.tar", layer);
  write_file(image + "/config.json",
             convox::cat(R"({"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},)",
                         R"("rootfs":{"type":"layers","diff_ids":["sha256:)", sha256(layer), "\"]}}"));
  write_file(image + "/manifest.json",
             convox::cat(R"([{"Config":"config.json","RepoTags":[")", kImage, R"("],"Layers":["layer.tar"]}])"));
  const std::string archive = Session::path() + "/docker-archive.tar";
  start_beside_engines({"/bin/tar", "-C", image, "-cf", archive, "manifest.json", "config.json", "layer.tar"}).wait();
  remove_tree(image);
  const Ran imported = ctr({"images", "import", archive});
  if (imported.status != 0) trouble += imported.err;
  const Ran first =
      ctr({"run", "--rm", "--cpu-shares", "0", "--runc-binary", Session::runtime(), kImage, "first", "true"});
  if (first.status != 0) trouble += first.err;
  if (!trouble.empty()) setenv("CONVOX_ENGINES_TROUBLE", trouble.c_str(), 1);
}

void end() {
  if (daemon_) {
    daemon_->signal(SIGTERM);
    daemon_->wait();
  }
  Session::end();
}

class Ctr : public Engine {
 public:
  Ctr() : Engine({"/usr/bin/ctr", "--address", kSocket}) {}
  // `controllers`: with the processor share that ctr asks for by itself.
  static Words run_words(const std::string& id, Words flags, const Words& command, bool controllers = false) {
    flags.insert(flags.begin(), {"run", "--runtime", "io.containerd.runc.v2", "--runc-binary", Session::runtime()});
    if (!controllers) flags.insert(flags.end(), {"--cpu-shares", "0"});
    flags.insert(flags.end(), {kImage, id});
    flags.insert(flags.end(), command.begin(), command.end());
    return flags;
  }
  [[nodiscard]] Ran run(const std::string& id, const Words& flags, const Words& command, Start how = {}) const {
    return (*this)(run_words(id, flags, command), std::move(how));
  }
  // Of a command that ends before ctr has opened its output, ctr drops the output: this one stays until it was read.
  // `flags` are those of ctr and name what becomes the root.
  [[nodiscard]] Ran run_slowly(Words flags, const std::string& script, const std::string& last_words) const {
    flags.insert(flags.end(), {"/bin/sh", "-c", script + "; read x"});
    Program program = start(flags, {.keep_input_open = true});
    cr_expect(program.expect(last_words));
    program.type("\n");
    return program.wait();
  }
  void start_sleeper(const std::string& id) const { EXPECT_STATUS(run(id, {"--detach"}, {"sleep", "1000"}), 0); }
  // "c1 123 RUNNING" without the columns' blanks; empty if there is no such task.
  [[nodiscard]] std::string state(const std::string& id) const {
    const std::string list = (*this)({"tasks", "ls"}).out;
    const std::size_t at = list.find("\n" + id + " ");
    if (at == std::string::npos) return "";
    const std::string line = list.substr(at + 1, list.find('\n', at + 1) - at - 1);
    return trimmed(line.substr(line.rfind(' ', line.find_last_not_of(' ')) + 1));
  }
  void remove(const std::string& id) const {
    (*this)({"tasks", "kill", "--signal", "KILL", id});
    cr_expect(comes_true([&] { return state(id) == "STOPPED"; }), "%s is %s", id.c_str(), state(id).c_str());
    (*this)({"tasks", "rm", id});
    EXPECT_STATUS((*this)({"containers", "rm", id}), 0);
  }
};

}  // namespace

ReportHook(PRE_ALL)(criterion_test_set*) { begin(); }
ReportHook(POST_ALL)(criterion_global_stats*) { end(); }

Test(containerd, reads_the_fragment) {
  REQUIRE_ENGINE(kNeeds);
  const std::string file = Session::path() + "/tmp/cri.toml";
  write_file(file, convox::cat("version = 2\nimports = [\"", Session::path(), "/runtime.toml\"]\n"));
  const Ran ran = start_beside_engines({"/usr/bin/containerd", "--config", file, "config", "dump"}).wait();
  unlink(file.c_str());
  EXPECT_STATUS(ran, 0);
  const std::size_t at = ran.out.find("containerd.runtimes.convox-oci]");
  cr_assert(at != std::string::npos, "%s", ran.out.c_str());
  EXPECT_CONTAINS(ran.out.substr(at), "runtime_type = \"io.containerd.runc.v2\"");
  EXPECT_CONTAINS(ran.out.substr(at), "BinaryName = \"/usr/local/bin/convox-oci\"");
}

Test(containerd, run_passes_input_both_outputs_and_the_status) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  const Ran ran = ctr.run("one", {"--rm"}, {"sh", "-c", "head -n 2; echo wrong >&2; exit 7"}, {.input = "one\ntwo\n"});
  EXPECT_STATUS(ran, 7);
  EXPECT_TEXT(ran.out, "one\ntwo\n");
  EXPECT_CONTAINS(ran.err, "wrong\n");
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, run_of_a_missing_command_is_refused_with_the_runtimes_words) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  const Ran ran = ctr.run("one", {}, {"nosuch"});
  cr_expect(ran.status != 0);
  EXPECT_CONTAINS(ran.err, "OCI runtime create failed");
  EXPECT_CONTAINS(ran.err, "not found");
  EXPECT_STATUS(ctr({"containers", "rm", "one"}), 0);
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, run_with_a_terminal_gives_one_that_follows_the_users) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  Program shell = ctr.start(
      Ctr::run_words("one", {"--rm", "--tty"},
                     {"sh", "-c",
                      "testbox is-tty; until [ \"$(testbox winsize)\" = '24 80' ]; do :; done; echo first; "
                      "until [ \"$(testbox winsize)\" = '30 100' ]; do :; done; read x; echo \"<$x>\"; exit 4"}),
      {.terminal = true});
  cr_expect(shell.expect("controlling=yes"));
  cr_expect(shell.expect("first"));
  shell.resize(30, 100);
  shell.type("word\n");
  cr_expect(shell.expect("<word>"));
  EXPECT_STATUS(shell.wait(), 4);
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, run_takes_a_directory_as_root) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  const Ran ran = ctr.run_slowly(
      {"run", "--rm", "--cpu-shares", "0", "--runc-binary", Session::runtime(), "--rootfs", Session::tree(), "one"},
      "cat /app/README", "tests\n");
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, "an app for tests\n");
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, run_gives_what_its_flags_say) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  const Ran ran = ctr.run_slowly(
      Ctr::run_words("one", {"--rm", "--read-only", "--env", "GREETING=hello", "--cwd", "/tmp", "--seccomp"}, {}),
      "echo $GREETING $PWD; touch /x 2>/dev/null || echo kept; grep Seccomp_filters /proc/self/status", "filters:");
  EXPECT_STATUS(ran, 0);
  EXPECT_TEXT(ran.out, convox::cat("hello /tmp\nkept\nSeccomp_filters:\t", own_seccomp_filters() + 1, "\n"));
  char ours[64] = {};
  cr_assert(readlink("/proc/self/ns/net", ours, sizeof ours - 1) > 0);
  EXPECT_TEXT(
      trimmed(
          ctr.run_slowly(Ctr::run_words("two", {"--rm", "--net-host"}, {}), "readlink /proc/self/ns/net", "]\n").out),
      ours);
  EXPECT_TEXT(trimmed(ctr.run_slowly(Ctr::run_words("three", {"--rm", "--privileged"}, {}),
                                     "mount -t tmpfs none /tmp && echo mounts", "mounts\n")
                          .out),
              "mounts");
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, tasks_are_executed_in_listed_and_measured) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  ctr.start_sleeper("one");
  EXPECT_TEXT(ctr.state("one"), "RUNNING");
  const Ran ran = ctr({"tasks", "exec", "--exec-id", "e1", "--cwd", "/tmp", "--user", "1000", "one", "sh", "-c",
                       "head -n 1; echo $PWD $(id -u); exit 9"},
                      {.input = "in\n"});
  EXPECT_STATUS(ran, 9);
  EXPECT_TEXT(ran.out, "in\n/tmp 1000\n");
  cr_expect(ctr({"tasks", "exec", "--exec-id", "e2", "one", "nosuch"}).status != 0);
  Program shell = ctr.start(
      {"tasks", "exec", "--exec-id", "e3", "--tty", "one", "sh", "-c", "testbox is-tty; read x; echo \"<$x>\"; exit 4"},
      {.terminal = true});
  cr_expect(shell.expect("controlling=yes"));
  shell.type("word\n");
  cr_expect(shell.expect("<word>"));
  EXPECT_STATUS(shell.wait(), 4);
  const std::string listed = ctr({"tasks", "ps", "one"}).out;  // PID INFO, and a line for a process
  cr_expect(atoi(listed.c_str() + std::min(listed.size(), listed.find('\n') + 1)) > 1, "%s", listed.c_str());
  const Ran metrics = ctr({"tasks", "metrics", "one"});
  EXPECT_STATUS(metrics, 0);
  EXPECT_CONTAINS(metrics.out, "cpu.usage_usec");
  ctr.remove("one");
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, tasks_are_paused_resumed_and_signalled) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  const std::string shared = Session::path() + "/tmp/shared";
  make_directories(shared);
  EXPECT_STATUS(
      ctr.run(
          "one", {"--detach", "--mount", convox::cat("type=bind,src=", shared, ",dst=/shared,options=rbind:rw")},
          {"sh", "-c", "trap 'echo heard >/shared/heard' USR1; while :; do echo x >>/shared/ticks; sleep 0.05; done"}),
      0);
  const auto ticks = [&] { return read_file(shared + "/ticks").size(); };
  cr_expect(comes_true([&] { return ticks() > 0; }));
  EXPECT_STATUS(ctr({"tasks", "pause", "one"}), 0);
  EXPECT_TEXT(ctr.state("one"), "PAUSED");
  const std::size_t before = ticks();
  sleep_milliseconds(300);
  cr_expect(ticks() == before, "it went on while paused");
  EXPECT_STATUS(ctr({"tasks", "resume", "one"}), 0);
  cr_expect(comes_true([&] { return ticks() > before; }));
  EXPECT_STATUS(ctr({"tasks", "kill", "--signal", "USR1", "one"}), 0);
  cr_expect(comes_true([&] { return read_file(shared + "/heard") == "heard\n"; }));
  ctr.remove("one");
  remove_tree(shared);
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, limits_are_set) {
  REQUIRE_ENGINE(kNeeds | CgroupControllers);
  const Ctr ctr;
  EXPECT_STATUS(
      ctr(Ctr::run_words("one", {"--detach", "--memory-limit", "67108864", "--cpus", "0.5", "--cpu-shares", "2048"},
                         {"sleep", "1000"}, true)),
      0);
  // ctr mounts no cgroups in the container.
  const std::string group = "/sys/fs/cgroup/default/one/";
  EXPECT_TEXT(read_file(group + "memory.max"), "67108864\n");
  EXPECT_TEXT(read_file(group + "cpu.max"), "50000 100000\n");
  EXPECT_TEXT(read_file(group + "cpu.weight"), "174\n");  // of 1024 shares it were 100, the kernel's default
  EXPECT_CONTAINS(ctr({"tasks", "metrics", "one"}).out, "67108864");
  ctr.remove("one");
  EXPECT_NOTHING_LEFT(ctr);
}

Test(containerd, the_death_of_a_shim_leaves_nothing) {
  REQUIRE_ENGINE(kNeeds);
  const Ctr ctr;
  ctr.start_sleeper("one");
  const std::string found =
      start_beside_engines({"/usr/bin/pgrep", "-f", "containerd-shim-runc-v2 .* -id one "}).wait().out;
  cr_assert(atoi(found.c_str()) > 1, "no shim: %s", found.c_str());
  kill(atoi(found.c_str()), SIGKILL);
  cr_expect(comes_true([&] { return ctr.state("one").empty() || ctr.state("one") == "STOPPED"; }));
  ctr({"tasks", "rm", "one"});
  EXPECT_STATUS(ctr({"containers", "rm", "one"}), 0);
  // The shim's socket and the fifos of the container's standard streams are containerd's to remove, and it does not.
  start_beside_engines({"/bin/sh", "-c", "rm -rf /run/containerd/fifo/* /run/containerd/s/*"}).wait();
  EXPECT_NOTHING_LEFT(ctr);
}
