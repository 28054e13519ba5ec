// What is known of an OCI container, and does it still live?
#include <criterion/criterion.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/host.h"
#include "runtime/oci/end.h"
#include "runtime/oci/state.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::oci;

namespace {

State full_state() {
  State state;
  state.version = "1.0.2-dev";
  state.id = std::string(64, 'a');
  state.bundle = cat("/var/lib/containers/storage/overlay-containers/", state.id, "/userdata");
  state.rootfs = cat("/var/lib/containers/storage/overlay/", state.id, "/merged");
  state.owner = "root";
  state.created = "2026-11-23T23:00:00.000000001Z";
  state.pid = 4194303;
  state.start_time = 123456789012;
  state.boot = "6f9e6e3e-7a3c-4d0a-9a5b-0a3f2a3f2a3f";
  state.driver = CgroupDriver::kSystemd;
  state.cgroup = cat("machine.slice/libpod-", state.id, ".scope");
  state.made_cgroup = true;
  state.scope = cat("libpod-", state.id, ".scope");
  state.own_pid_namespace = false;
  state.started = state.has_poststart = state.has_poststop = state.notifies = state.notify_socket = true;
  state.namespaces = 0x7e020000;
  state.user_namespace = true;
  return state;
}

State state_of(int pid) {
  State state = full_state();
  state.cgroup.clear();
  state.pid = pid;
  state.start_time = *start_time_of(pid);
  state.boot = *runtime::read_boot_id();
  return state;
}

// A child that lives until `kill`, and is a zombie from then to `reap`.
class Child {
 public:
  Child() : pid_(::fork()) {
    if (pid_ == 0)
      for (;;) ::pause();
  }
  ~Child() { reap(); }
  int pid() const { return pid_; }
  void kill() const {
    ::kill(pid_, SIGKILL);
    siginfo_t info{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
  }
  void reap() const {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  int pid_;
};

}  // namespace

Test(oci_state, a_record_says_the_same_after_it_was_written_and_read) {
  State state = full_state();
  state.bundle += "/\xff\n\"";
  state.annotations = {{"a", "1"}, {"io.kubernetes.cri-o.Labels", "{\"x\":\"\u00e9\"}"}};
  const std::string text = encode(state);
  const auto again = decode(text);
  cr_assert(again.has_value(), "%s", again.error().text.c_str());
  expect_text(encode(*again), text);
  expect_text(again->bundle, state.bundle);
  cr_expect(again->annotations == state.annotations);
  cr_expect(again->pid == state.pid && again->start_time == state.start_time && again->driver == state.driver);
  cr_expect(again->namespaces == state.namespaces && again->user_namespace && again->made_cgroup);
  cr_expect(!again->own_pid_namespace && again->started && again->notify_socket);
}

Test(oci_state, a_record_of_a_podman_container_without_its_annotations_takes_at_most_a_kilobyte) {
  const std::size_t size = encode(full_state()).size();
  cr_expect(size <= 1024, "%zu bytes", size);
}

Test(oci_state, no_part_of_a_record_is_taken_for_a_record) {
  const std::string text = encode(full_state());
  for (std::size_t size = 0; size < text.size(); ++size)
    cr_assert(!decode(std::string_view(text).substr(0, size)).has_value(), "%zu bytes", size);
  for (const char* foreign :
       {"{}", "[]", R"({"version":2,"id":"a"})", R"({"id":"a","pid":1})", R"({"version":1,"id":"../a","pid":0})"})
    cr_expect(!decode(foreign).has_value(), "%s", foreign);
}

Test(oci_state, an_id_is_of_few_characters_and_no_path) {
  for (const char* good : {"a", "A-b_c.d+e", "...", ".a", "-", "0123456789"})
    cr_expect(check_id(good).has_value(), "%s", good);
  for (const char* bad : {"", ".", "..", "a/b", "a b", "a\n", "@seccomp", "\u00e9", "a:b"}) {
    const auto checked = check_id(bad);
    cr_assert(!checked.has_value(), "%s", bad);
    expect_text(checked.error().text, "invalid container ID format");
  }
  cr_expect(!check_id(std::string(1025, 'a')).has_value());
}

Test(oci_state, alive_is_only_the_process_that_started_then_in_this_boot) {
  const Child child;
  const State state = state_of(child.pid());
  cr_assert(find_process(state)->has_value());
  State other = state;
  other.start_time += 1;
  cr_expect(!find_process(other)->has_value());
  other = state;
  other.boot.back() = other.boot.back() == '0' ? '1' : '0';
  cr_expect(!find_process(other)->has_value());
  other = state;
  other.pid = 0;
  cr_expect(!find_process(other)->has_value());
  child.kill();
  cr_expect(!find_process(state)->has_value(), "a zombie");
  child.reap();
  cr_expect(!find_process(state)->has_value(), "nobody");
}

Test(oci_state, a_living_process_behind_its_gate_is_created_and_else_running) {
  const Child child;
  const State state = state_of(child.pid());
  cr_expect(*status_of(state, true) == Status::kCreated);
  cr_expect(*status_of(state, false) == Status::kRunning);
  child.kill();
  cr_expect(*status_of(state, true) == Status::kStopped);
}

Test(oci_state, one_without_a_process_is_being_created_as_long_as_somebody_holds_it) {
  const TemporaryDirectory box;
  const auto states = States::open(box.path(), false);
  State state = full_state();
  state.id = "web";
  state.pid = 0;
  {
    const auto claim = states->claim_new("web");
    cr_assert(claim.has_value(), "%s", claim.error().text.c_str());
    cr_assert(states->write(*claim, state).has_value());
    cr_expect(*status_of(*states, *states->read("web")) == Status::kCreating);
  }
  cr_expect(*status_of(*states, *states->read("web")) == Status::kStopped);
}

Test(oci_state, an_id_that_is_taken_cannot_be_claimed_as_a_new_one) {
  const TemporaryDirectory box;
  const auto states = States::open(box.path(), false);
  cr_assert(states->claim_new("web").has_value());
  expect_text(states->claim_new("web").error().text, "container with given ID already exists");
}

Test(oci_state, what_does_not_exist_is_not_found_under_these_words) {
  const TemporaryDirectory box;
  const auto states = States::open(box.path(), false);
  const auto nowhere = States::open(cat(box.path(), "/none"), false);
  for (const States* each : {&*states, &*nowhere}) {
    const auto read = each->read("web");
    cr_assert(read.error().kind == Error::Kind::kNotFound);
    expect_text(read.error().text, "container `web` does not exist");
    cr_expect(each->claim("web").error().kind == Error::Kind::kNotFound);
    cr_expect(each->list()->empty());
  }
}

Test(oci_state, a_record_that_is_missing_or_of_another_is_damaged) {
  const TemporaryDirectory box;
  const auto states = States::open(box.path(), false);
  const auto claim = states->claim_new("web");
  cr_expect(states->read("web").error().kind == Error::Kind::kInvalid);
  cr_assert(states->write(*claim, full_state()).has_value());
  cr_expect(states->read("web").error().kind == Error::Kind::kInvalid);
}

Test(oci_state, the_list_holds_containers_alone) {
  const TemporaryDirectory box;
  const auto states = States::open(box.path(), false);
  cr_assert(states->claim_new("b").has_value());
  cr_assert(states->claim_new("a").has_value());
  cr_assert(states->filter_cache().has_value());
  cr_expect(*states->list() == (std::vector<std::string>{"a", "b"}));
}

Test(oci_state, a_root_that_others_can_write_is_refused) {
  const TemporaryDirectory box;
  cr_assert(::chmod(box.path().c_str(), 0777) == 0);
  cr_expect(!States::open(box.path(), true).has_value());
}

Test(oci_state, what_is_printed_has_the_members_that_engines_read) {
  State state = full_state();
  state.id = "web";
  state.bundle = "/b";
  state.rootfs = "/b/rootfs";
  state.pid = 42;
  expect_text(state_json(state, Status::kRunning),
              R"({"ociVersion":"1.0.2-dev","id":"web","pid":42,"status":"running","bundle":"/b","rootfs":"/b/rootfs",)"
              R"("created":"2026-11-23T23:00:00.000000001Z","owner":"root"})");
  state.annotations = {{"k", "v\n"}};
  cr_expect(state_json(state, Status::kStopped).find(R"("pid":0,"status":"stopped")") != std::string::npos);
  cr_expect(state_json(state, Status::kStopped).find(R"("annotations":{"k":"v\n"})") != std::string::npos);
}

Test(oci_state, a_cgroups_path_stays_below_the_root_of_the_hierarchy) {
  expect_text(cgroup_of("", "web"), "web");
  expect_text(cgroup_of("/", "web"), "web");
  expect_text(cgroup_of("/a/b", "web"), "a/b");
  expect_text(cgroup_of("a//./b/", "web"), "a/b");
  expect_text(cgroup_of("/../../a/../../b/c/..", "web"), "b");
}
