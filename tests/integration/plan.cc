// Is what --explain says what happens? The kernel's own record of a launch, by strace(1), against the plan.
#include <dirent.h>
#include <stdlib.h>

#include <regex>

#include "tests/support/app.h"

using namespace convox::test;
using convox::cat;

namespace {
constexpr auto kNeeds = Root | CgroupV2 | UserNamespaces;

struct Step {
  std::string deed, call;  // call: of the reference NAME(2), else empty
};

// Two ids differ from run to run: the container's, and where on the host a state directory lies.
std::string without_ids(std::string text) {
  return std::regex_replace(std::move(text), std::regex("(<id>|[0-9a-f]{12})"), "ID");
}

//    1  make something
//       because of this.  call(2)
std::vector<Step> steps_of_explain(const std::string& text) {
  std::vector<Step> steps;
  const std::regex step("( *[0-9]+)  (.+)\n      .*  ([a-z0-9_]+)\\(([0-9])\\)\n");
  for (std::sregex_iterator at(text.begin(), text.end(), step), end; at != end; ++at) {
    cr_expect(atoi((*at)[1].str().c_str()) == static_cast<int>(steps.size()) + 1, "%s", at->str().c_str());
    steps.push_back({without_ids((*at)[2]), (*at)[4] == "2" ? (*at)[3].str() : ""});
  }
  return steps;
}

//    1     0.123 ms  make something
std::vector<std::string> deeds_of_trace(const std::string& text) {
  std::vector<std::string> deeds;
  const std::regex step("(^|\n) *[0-9]+ {2,}(?:[0-9.]+ ms  )?(.+)");
  for (std::sregex_iterator at(text.begin(), text.end(), step), end; at != end; ++at)
    deeds.push_back(without_ids((*at)[2]));
  return deeds;
}

// The calls of one process, one a line, as `strace -ff` wrote them.
using Calls = std::vector<std::string>;

Calls calls_of_the_process_with(const std::string& directory, const std::string& call) {
  DIR* open = opendir(directory.c_str());
  cr_assert(open != nullptr);
  std::string found;
  while (const dirent* entry = readdir(open)) {
    const std::string text = read_file(cat(directory, "/", entry->d_name));
    if (text.find(call) != std::string::npos) found = text;
  }
  closedir(open);
  return lines_with(found, "");
}

// From `from` on, the place behind the first call whose name begins with `name` (mkdir: mkdirat) and that holds `part`.
std::size_t behind(const Calls& calls, std::size_t from, const std::string& name, const std::string& part = "") {
  for (std::size_t at = from; at < calls.size(); ++at)
    if (calls[at].starts_with(name) && calls[at].find(part) != std::string::npos) return at + 1;
  return 0;
}

// What a deed is done to: the first absolute path in it.
std::string target_of(const std::string& deed) {
  std::smatch path;
  return std::regex_search(deed, path, std::regex(" (/[^ ,]+)")) ? path[1].str() : "";
}
}  // namespace

Test(plan, explaining_does_nothing_and_needs_nothing) {
  REQUIRE(kNeeds);
  Sandbox box;
  box.add_testbox_app();
  const Ran before = box.convox({"run", "--explain", "web", "ls"});
  EXPECT_STATUS(before, 0);
  EXPECT_CONTAINS(before.out, "First: import oci:image, which is not in the store yet.");
  EXPECT_CONTAINS(before.out, "Nothing has been done.");
  EXPECT_TEXT(before.err, "");
  EXPECT_NOTHING_LEFT(box);

  EXPECT_STATUS(box.convox({"run", "web", "true"}), 0);
  box.remember();
  EXPECT_STATUS(box.convox({"run", "--explain", "--volume", "new:/v", "--cap-add", "NET_RAW", "web", "ls"}), 0);
  EXPECT_NOTHING_LEFT(box);
}

Test(plan, is_what_a_trace_shows) {
  REQUIRE(kNeeds);
  App app;
  for (const std::vector<std::string>& flags : {std::vector<std::string>{},
                                                {"--userns", "host"},
                                                {"--network", "host"},
                                                {"--network", "bridge"},
                                                {"--read-only", "--volume", "n:/v"}}) {
    std::vector<std::string> words = {"run", "--explain"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"web", "true"});
    const std::vector<Step> planned = steps_of_explain(app.convox(words).out);
    words[1] = "--trace";
    const Ran ran = app.convox(words);
    EXPECT_STATUS(ran, 0);
    const std::vector<std::string> traced = deeds_of_trace(ran.err);
    cr_expect(planned.size() > 50 && planned.size() == traced.size(), "%zu steps planned, %zu traced:\n%s",
              planned.size(), traced.size(), ran.err.c_str());
    for (std::size_t at = 0; at < std::min(planned.size(), traced.size()); ++at)
      EXPECT_TEXT(traced[at], planned[at].deed);
  }
}

Test(plan, is_what_the_kernel_was_asked_for) {
  REQUIRE(kNeeds | Strace);
  App app;
  const std::string explained = app.convox({"run", "--explain", "web", "true"}).out;
  const std::vector<Step> steps = steps_of_explain(explained);
  make_directories(app.path() + "/calls");
  const Ran ran = app.run({"/usr/bin/strace", "-ff", "-v", "-s", "4096", "-o", app.path() + "/calls/of",
                           Sandbox::build() + "/convox", "run", "--network", "none", "web", "true"});
  EXPECT_STATUS(ran, 0);

  std::size_t first_of_stage = 0;
  for (std::size_t at = 0; at < steps.size(); ++at)
    if (steps[at].call == "setsid") first_of_stage = at;
  cr_assert(first_of_stage > 10, "%s", explained.c_str());

  const Calls host = calls_of_the_process_with(app.path() + "/calls", "\nclone3(");
  // The overlay is made by a child in a mount namespace of its own, for which the host side waits (CLONE_VFORK).
  const Calls helper = calls_of_the_process_with(app.path() + "/calls", "\"lowerdir\"");
  std::size_t now = 0;
  for (std::size_t at = 0; at < first_of_stage; ++at) {
    if (steps[at].call.empty()) continue;
    const bool by_helper = steps[at].deed.starts_with("stack ");
    const std::size_t next = behind(host, now, by_helper ? "clone3" : steps[at].call);
    cr_expect(by_helper <= (behind(helper, 0, steps[at].call, "lowerdir") > 0), "nobody did step %zu", at + 1);
    cr_expect(next > now, "the host side never did step %zu, %s, by %s", at + 1, steps[at].deed.c_str(),
              steps[at].call.c_str());
    now = std::max(now, next);
  }

  const Calls stage = calls_of_the_process_with(app.path() + "/calls", "\nexecveat(");
  now = behind(stage, 0, "execveat");
  for (std::size_t at = first_of_stage; at < steps.size(); ++at) {
    const auto& [deed, call] = steps[at];
    std::size_t next = now;
    if (const std::string target = target_of(deed); !target.empty()) {
      // The kernel takes some paths relative to a descriptor.
      const bool below_proc = deed.starts_with("write ");
      next = behind(stage, now, "", target.substr(below_proc ? sizeof "/proc" : 1) + "\"");
      cr_expect(next > now, "step %zu, %s: %s does not appear", at + 1, deed.c_str(), target.c_str());
      const std::string& opened = stage[std::max(next, std::size_t{1}) - 1];
      const bool absent = opened.find("ENOENT") != std::string::npos;
      if (deed.starts_with("mask ") || deed.ends_with(" read-only")) {
        // Nothing to hide, or something shown over it; the first empty directory is a new file system.
        const std::size_t covered = absent ? next : behind(stage, next, "move_mount");
        cr_expect(covered > 0 && covered - next < 12, "step %zu, %s: not covered", at + 1, deed.c_str());
        now = std::max(next, covered);
        continue;
      }
      if (below_proc) {
        next = behind(stage, next, "write", cat("\"", deed.substr(deed.find(" = ") + 3), "\""));
        cr_expect(next > now, "step %zu, %s: not written", at + 1, deed.c_str());
      }
      if (opened.starts_with(call)) {  // chdir, openat2: the path is the call's own
        now = std::max(now, next);
        continue;
      }
    }
    if (!call.empty()) {
      const std::size_t done = behind(stage, next, call);
      cr_expect(done > next, "the stage did not do step %zu, %s, by %s, after step %zu", at + 1, deed.c_str(),
                call.c_str(), at);
      next = std::max(next, done);
    }
    now = std::max(now, next);
  }
}
