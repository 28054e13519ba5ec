// `convox diff` and `convox inspect`: what they tell of a container is what it did and what it is.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "tests/support/running.h"

using namespace convox::test;
using convox::cat;
using convox::json::Value;

namespace {

constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

// The only object of the list.
convox::json::Document parsed(const std::string& text) {
  auto list = convox::json::parse_list(text, "inspect");
  cr_assert(list && list->Size() == 1, "%s", text.c_str());
  convox::json::Document one;
  one.CopyFrom((*list)[0], one.GetAllocator());
  return one;
}

std::string text(const Value& value) { return value.IsString() ? value.GetString() : "(no text)"; }

std::string only_container(App& app) {
  const int all = open((app.lib() + "/containers").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const auto names = convox::fs::list(all);
  close(all);
  cr_assert(names && names->size() == 1);
  return names->at(0);
}

}  // namespace

Test(diff, tells_what_was_added_changed_and_deleted) {
  REQUIRE(kNeeds);
  App app(testbox_image_with({directory("d"), file("d/kept", "1"), file("d/gone", "2"), directory("d/again"),
                              file("d/again/old", "3"), file("d/again/same", "4"), file("d/type", "5"),
                              directory("d/tree"), file("d/tree/leaf", "6")}));
  const std::string script =
      "echo x >> /d/kept; rm /d/gone; rm -r /d/again; mkdir /d/again; echo 4 > /d/again/same; echo n > /d/again/new;"
      "rm /d/type; mkdir /d/type; rm -r /d/tree; mkdir /new; printf x > '/new/a\tb'; mv /new/a* \"/new/$(printf "
      "'e\\033f')\"";
  const char* expected =
      "C /d\nC /d/again\nA /d/again/new\nD /d/again/old\nC /d/again/same\nD /d/gone\nC /d/kept\nD /d/tree\nC /d/type\n"
      "A /new\nA /new/e\\x1bf\n";
  {
    Running inside(app, script, "", {"--keep"});
    EXPECT_TEXT(app.convox({"diff", inside.id}).out, expected);
    EXPECT_TEXT(app.convox({"diff", "web"}).out, expected);
  }
  EXPECT_TEXT(app.convox({"diff", only_container(app)}).out, expected);  // the same when it has ended
}

// A container's own whiteout and opaque marks do not count, nor do its links.
Test(diff, is_not_fooled_by_what_looks_like_overlayfs) {
  REQUIRE(kNeeds);
  App app;
  Running inside(app, "mkdir /x; touch /x/.wh.README /x/.wh..wh..opq; ln -s /etc /x/etc; rm -r /app; ln -s /bin /app");
  EXPECT_TEXT(app.convox({"diff", inside.id}).out, "C /app\nA /x\nA /x/.wh..wh..opq\nA /x/.wh.README\nA /x/etc\n");
}

Test(inspect, tells_what_the_kernel_says_of_a_running_container) {
  REQUIRE(kNeeds);
  App app(testbox_image(), "    volumes:\n      - /data\n");
  Running inside(app, "", "testbox confinement", {"--cap-drop", "CHOWN", "--read-only"});
  const Ran ran = app.convox({"inspect", inside.id});
  EXPECT_STATUS(ran, 0);
  const auto object = parsed(ran.out);
  EXPECT_TEXT(text(object["id"]), inside.id);
  EXPECT_TEXT(text(object["record"]["phase"]), "running");
  cr_expect(object["config"]["read_only_root"].GetBool() && object["live"].GetBool());
  cr_expect(object["process"]["pid"].GetInt() == inside.pid);
  for (const char* kind : {"user", "net", "ipc", "uts", "cgroup", "mnt", "pid"}) {
    struct stat st {};
    cr_assert(stat(cat("/proc/", inside.pid, "/ns/", kind).c_str(), &st) == 0);
    cr_expect(object["namespaces"][kind]["inode"].GetUint64() == st.st_ino, "%s", kind);
    cr_expect(object["namespaces"][kind]["of_host"].GetBool() == false, "%s", kind);
  }
  cr_expect(object["namespaces"]["time"]["of_host"].GetBool());
  std::string targets;
  for (const Value& mount : object["mounts"].GetArray()) targets += text(mount["target"]) + "\n";
  for (const char* target : {"/\n", "/data\n", "/proc\n", "/dev/pts\n"}) EXPECT_CONTAINS(targets, target);
  std::string effective;
  for (const Value& one : object["process"]["capabilities"]["effective"].GetArray()) effective += text(one) + " ";
  EXPECT_CONTAINS(effective, "DAC_OVERRIDE ");
  cr_expect(effective.find("CHOWN") == effective.npos, "%s", effective.c_str());
  cr_expect(object["process"]["capabilities"]["ambient"].Empty());
  // The program inside sees the same.
  const std::string facts = inside.says();
  EXPECT_TEXT(fact(facts, "rlimit_nofile"), cat(object["process"]["limits"]["nofile"]["soft"].GetUint64(), " ",
                                                object["process"]["limits"]["nofile"]["hard"].GetUint64()));
  EXPECT_TEXT(fact(facts, "seccomp"), "2");
  EXPECT_TEXT(text(object["process"]["seccomp"]), "filter");
  EXPECT_TEXT(text(object["process"]["limits"]["cpu"]["soft"]), "unlimited");
  EXPECT_TEXT(text(object["cgroup"]["files"]["cgroup.procs"]), cat(inside.pid));
}

// The plan is what --explain prints, step for step.
Test(inspect, shows_the_plan_that_was_launched) {
  REQUIRE(kNeeds);
  App app;
  Running inside(app, "");
  const auto object = parsed(app.convox({"inspect", "web"}).out);
  const Value& plan = object["plan"];
  cr_assert(plan.Size() > 40);
  for (unsigned step = 0; step < plan.Size(); ++step) cr_expect(plan[step]["step"].GetUint() == step + 1);
  EXPECT_CONTAINS(text(plan[plan.Size() - 1]["deed"]), "execute /bin/sh -c ");
  const Ran explained = app.convox({"run", "--explain", "web", "a;b"});
  for (unsigned step = 0; step + 1 < plan.Size(); ++step) {
    const std::string deed = text(plan[step]["deed"]);
    if (deed.find(inside.id) == deed.npos) EXPECT_CONTAINS(explained.out, deed);
  }
}

Test(inspect, tells_of_a_finished_one_what_is_known) {
  REQUIRE(kNeeds);
  App app;
  EXPECT_STATUS(app.convox({"run", "--keep", "web", "exit 4"}), 4);
  const Ran ran = app.convox({"inspect", only_container(app)});
  EXPECT_STATUS(ran, 0);
  const auto object = parsed(ran.out);
  cr_expect(object["record"]["status"].GetInt() == 4 && object["process"].IsNull() && object["mounts"].IsNull());
  cr_expect(object["cgroup"]["files"].ObjectEmpty() && object["layers"].Size() > 0);
}

// Text of strangers: a terminal must not obey it.
Test(inspect, spells_out_what_a_terminal_would_obey) {
  REQUIRE(kNeeds);
  App app;
  Running inside(app, "", "", {"--env", "EVIL=\x1b]0;x\x07\u202e"});
  const Ran ran = app.convox({"inspect", inside.id});
  cr_expect(ran.out.find('\x1b') == ran.out.npos);
  EXPECT_CONTAINS(ran.out, "EVIL=\\\\x1b]0;x\\\\x07\\\\u202e");
}

Test(inspect, prints_nothing_if_one_of_them_is_unknown) {
  REQUIRE(kNeeds);
  App app;
  Running inside(app, "");
  const Ran ran = app.convox({"inspect", inside.id, "none"});
  EXPECT_STATUS(ran, 1);
  EXPECT_TEXT(ran.out, "");
  EXPECT_TEXT(ran.err, "ERROR: no such process: none\n");
  EXPECT_TEXT(app.convox({"diff", "none"}).err, "ERROR: no such process: none\n");
}
