// Does a container join the class of service that its configuration names, and is only what it made removed?
//
// A directory plays the file system; unlike the kernel's it makes no files when a class is made.
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/oci/resctrl.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::oci;

namespace {

struct PlayedResctrl : TemporaryDirectory {
  PlayedResctrl() {
    directory("info");
    directory("mon_groups");
    put("info/last_cmd_status", "ok\n");
    put("schemata", "    L3:0=fffff;1=fffff\n    MB:0=100;1=100\n");
    put("tasks", "");
  }
  void directory(const std::string& path) const { cr_assert(0 == ::mkdirat(fd(), path.c_str(), 0700)); }
  void put(const std::string& path, std::string_view content) const {
    const UniqueFd file(sys::openat(fd(), path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    cr_assert(fs::write_all(file.get(), content, path).has_value());
  }
  void existing_class(const std::string& name, std::string_view schemata) const {
    directory(name);
    directory(cat(name, "/mon_groups"));
    put(cat(name, "/schemata"), schemata);
    put(cat(name, "/tasks"), "");
  }
  std::string content(const std::string& path) const {
    const Result<std::string> text = fs::read(fd(), path, 4096);
    return text ? *text : "(none)";
  }
  bool has(const std::string& path) const { return ::faccessat(fd(), path.c_str(), F_OK, 0) == 0; }
};

std::string to_make(const PlayedResctrl& root, const IntelRdt& rdt) {
  const Result<std::string> made = resctrl_to_make(root.fd(), rdt, "web");
  return made ? *made : cat("error: ", made.error().text);
}
std::string joined(const PlayedResctrl& root, const IntelRdt& rdt) {
  const Result<> result = join_resctrl(root.fd(), rdt, "web", 4711);
  return result ? "ok" : result.error().text;
}

}  // namespace

Test(oci_resctrl, a_container_without_a_closid_has_a_class_of_its_own) {
  const PlayedResctrl root;
  const IntelRdt rdt{.schemata = {"L3:0=f;1=f", "MB:0=50\n", "L2:0=3\nL2:1=1"}};
  expect_text(to_make(root, rdt), "web");
  expect_text(joined(root, rdt), "ok");
  expect_text(root.content("web/schemata"), "L3:0=f;1=f\nMB:0=50\nL2:0=3\nL2:1=1\n");
  expect_text(root.content("web/tasks"), "4711");
  expect_text(root.content("tasks"), "");
  expect_text(joined(root, rdt), "linux.intelRdt: there is a class 'web' already");
}

Test(oci_resctrl, without_a_schema_none_is_written) {
  const PlayedResctrl root;
  expect_text(joined(root, {}), "ok");
  expect_text(root.content("web/schemata"), "(none)");
  expect_text(root.content("web/tasks"), "4711");
}

Test(oci_resctrl, a_class_that_exists_must_have_what_is_asked_for) {
  const PlayedResctrl root;
  root.existing_class("gold", "    L3:0=0ff;1=fffff\n    MB:0= 50;1=100\n");
  const auto asks = [&](std::vector<std::string> schemata) {
    return joined(root, {.clos_id = "gold", .schemata = std::move(schemata)});
  };
  expect_text(to_make(root, {.clos_id = "gold", .schemata = {"L3:0=ff"}}), "");
  expect_text(asks({"L3:0=ff;1=FFFFF", "MB:0=50"}), "ok");
  expect_text(asks({"MB:1=100"}), "ok");
  expect_text(root.content("gold/schemata"), "    L3:0=0ff;1=fffff\n    MB:0= 50;1=100\n");
  expect_text(root.content("gold/tasks"), "4711");
  root.put("gold/tasks", "");
  expect_text(asks({"L3:0=f"}), "linux.intelRdt: the class 'gold' exists with L3:0=ff, not f");
  expect_text(asks({"L3:0=ff", "MB:0=500"}), "linux.intelRdt: the class 'gold' exists with MB:0=50, not 500");
  expect_text(asks({"L2:0=1"}), "linux.intelRdt: the class 'gold' exists with L2:0=nothing, not 1");
  expect_text(root.content("gold/tasks"), "");
}

Test(oci_resctrl, a_closid_alone_must_exist_and_with_a_schema_is_made) {
  const PlayedResctrl root;
  const IntelRdt alone{.clos_id = "gold"}, made{.clos_id = "gold", .schemata = {"MB:0=50"}};
  expect_text(to_make(root, alone), "error: linux.intelRdt: there is no class 'gold', and no schema to make it with");
  cr_assert(joined(root, alone) != "ok" && !root.has("gold"));
  expect_text(to_make(root, made), "gold");
  expect_text(joined(root, made), "ok");
  expect_text(root.content("gold/schemata"), "MB:0=50\n");
  expect_text(to_make(root, alone), "");
  expect_text(joined(root, alone), "ok");
}

Test(oci_resctrl, a_slash_is_the_class_of_everybody) {
  const PlayedResctrl root;
  expect_text(to_make(root, {.clos_id = "/"}), "");
  expect_text(joined(root, {.clos_id = "/", .schemata = {"MB:0=100"}}), "ok");
  expect_text(root.content("tasks"), "4711");
  expect_text(joined(root, {.clos_id = "/", .schemata = {"MB:0=50"}}),
              "linux.intelRdt: the class '/' exists with MB:0=100, not 50");
  expect_text(to_make(root, {.clos_id = "/", .monitoring = true}), "./mon_groups/web");
}

Test(oci_resctrl, a_closid_that_leads_elsewhere_is_refused) {
  const PlayedResctrl root;
  for (const char* name : {"", ".", "..", "../x", "a/b", "/gold"})
    cr_assert(joined(root, {.clos_id = name, .schemata = {"MB:0=1"}}) != "ok", "closID '%s'", name);
}

Test(oci_resctrl, monitoring_is_a_group_in_the_class) {
  const PlayedResctrl root;
  root.existing_class("gold", "MB:0=100\n");
  const IntelRdt rdt{.clos_id = "gold", .monitoring = true};
  expect_text(to_make(root, rdt), "gold/mon_groups/web");
  expect_text(joined(root, rdt), "ok");
  expect_text(root.content("gold/tasks"), "4711");
  expect_text(root.content("gold/mon_groups/web/tasks"), "4711");
}

Test(oci_resctrl, what_was_made_is_removed_unless_others_are_in_it) {
  const PlayedResctrl root;
  root.directory("web");
  root.existing_class("gold", "MB:0=100\n");
  root.put("gold/tasks", "12\n13\n");
  const auto left = [&](const std::string& made) { return leave_resctrl(root.fd(), made).has_value(); };
  cr_assert(left("web") && !root.has("web"));
  cr_assert(left("web"), "a second time");
  cr_assert(left(""), "nothing was made");
  cr_assert(left("gold") && root.has("gold"), "others are in it");
  cr_assert(root.has("tasks") && root.has("info"));
}
