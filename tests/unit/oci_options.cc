// Does convox-oci take a command line as the engines write it?
#include <criterion/criterion.h>

#include "cli/oci/options.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::oci;

namespace {

constexpr Flag kFlags[] = {
    {"bundle", 'b', "DIR", ""},    {"detach", 'd', "", ""},     {"tty", 't', "", ""},        {"user", 'u', "UID", ""},
    {"env", 'e', "K=V", "", true}, {"no-subreaper", 0, "", ""}, {"pid-file", 0, "FILE", ""},
};

struct Taken {
  Words words;
  std::size_t count = 0;
};

Taken take(const std::vector<std::string>& words) {
  Taken taken;
  const auto count = take_flags(kFlags, words, taken.words);
  cr_assert(count.has_value(), "%s", count.error().text.c_str());
  taken.count = *count;
  return taken;
}

std::string refusal(const std::vector<std::string>& words) {
  Words taken;
  const auto count = take_flags(kFlags, words, taken);
  return count ? "taken" : count.error().text;
}

Words globals(const std::vector<std::string>& words) {
  Words taken;
  cr_assert(take_flags(kGlobalFlags, words, taken).has_value());
  return taken;
}

}  // namespace

Test(oci_options, a_value_stands_behind_its_flag_in_four_ways) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--bundle", "/b"},
                                                {"--bundle=/b"},
                                                {"-bundle", "/b"},
                                                {"-bundle=/b"},
                                                {"-b", "/b"},
                                                {"-b=/b"},
                                                {"-b/b"}})
    expect_text(take(words).words.value("bundle").value_or("none"), "/b");
}

Test(oci_options, any_long_flag_may_have_one_dash) {
  cr_expect(take({"-no-subreaper", "-detach"}).words.has("no-subreaper"));
  cr_expect(take({"-no-subreaper", "-detach"}).words.has("detach"));
}

Test(oci_options, letters_may_stand_together) {
  const Words words = take({"-dtu", "7"}).words;
  cr_expect(words.has("detach") && words.has("tty"));
  expect_text(words.value("user").value_or(""), "7");
  expect_text(take({"-du7"}).words.value("user").value_or(""), "7");
}

Test(oci_options, flags_end_at_the_first_word_that_is_none) {
  const Taken taken = take({"-d", "web", "ls", "-d", "--unknown"});
  cr_expect(taken.count == 2 - 1);
  cr_expect(take({"-d", "--", "-t"}).count == 2);
  cr_expect(!take({"-d", "--", "-t"}).words.has("tty"));
  cr_expect(take({"-", "x"}).count == 0, "standard input is no flag");
}

Test(oci_options, a_flag_keeps_all_its_values_and_the_last_one_is_its_value) {
  const Words words = take({"-e", "A=1", "--env=B=2", "-b", "x", "-b", "y"}).words;
  cr_expect(words.values("env") == (std::vector<std::string>{"A=1", "B=2"}));
  expect_text(words.value("bundle").value_or(""), "y");
}

Test(oci_options, a_value_may_look_like_a_flag_or_be_empty) {
  expect_text(take({"--pid-file", "-d"}).words.value("pid-file").value_or(""), "-d");
  cr_expect(take({"--pid-file="}).words.value("pid-file") == "");
}

Test(oci_options, what_takes_no_value_may_be_told_true_or_false) {
  cr_expect(take({"--detach=true"}).words.has("detach"));
  cr_expect(!take({"--detach", "--detach=false"}).words.has("detach"));
  expect_text(refusal({"--detach=maybe"}), "--detach takes no value");
}

Test(oci_options, what_nobody_knows_is_refused_by_name) {
  expect_text(refusal({"--nothing"}), "unknown flag: --nothing");
  expect_text(refusal({"--nothing=1"}), "unknown flag: --nothing=1");
  expect_text(refusal({"-dx"}), "unknown flag: -dx");
}

Test(oci_options, a_missing_value_is_told_in_the_words_that_podman_looks_for) {
  expect_text(refusal({"-d", "--pid-file"}), "flag needs an argument: --pid-file");
  const auto words = take_words(kRestore, std::vector<std::string>{"--lsm-mount-context"});
  cr_assert(!words.has_value());
  expect_text(words.error().text, "flag needs an argument: --lsm-mount-context");
}

Test(oci_options, what_stood_before_an_error_is_known) {
  Words words;
  cr_assert(!take_flags(kGlobalFlags, std::vector<std::string>{"--log", "/l", "--nothing"}, words).has_value());
  expect_text(words.value("log").value_or(""), "/l");
}

Test(oci_options, every_verb_of_the_contract_is_there_and_can_be_asked_for_help) {
  for (const char* name : {"create", "start", "run", "state", "kill", "delete", "exec", "list", "ps", "pause", "resume",
                           "update", "events", "checkpoint", "restore", "features", "spec"}) {
    const Verb* verb = find_verb(name);
    cr_assert(verb != nullptr, "%s", name);
    for (const char* help : {"--help", "-h", "-help"}) {
      const auto words = take_words(*verb, std::vector<std::string>{help});
      cr_assert(words.has_value() && words->has("help"), "%s %s", name, help);
    }
    cr_expect(usage(*verb).find(cat("convox-oci [global flags] ", name)) != std::string::npos);
  }
  cr_expect(find_verb("creat") == nullptr);
}

Test(oci_options, no_two_flags_of_a_verb_have_one_name_or_letter) {
  for (const Verb* verb : kVerbs)
    for (const Flag& flag : verb->flags) {
      cr_expect(flag.name != "help" && flag.letter != 'h', "%s", std::string(flag.name).c_str());
      for (const Flag& other : verb->flags)
        if (&other != &flag)
          cr_expect(other.name != flag.name && (flag.letter == 0 || other.letter != flag.letter), "%s %s",
                    std::string(verb->name).c_str(), std::string(flag.name).c_str());
    }
}

Test(oci_options, too_few_and_too_many_arguments_are_refused) {
  cr_expect(!take_words(kState, std::vector<std::string>{}).has_value());
  cr_expect(take_words(kState, std::vector<std::string>{"a"}).has_value());
  cr_expect(!take_words(kState, std::vector<std::string>{"a", "b"}).has_value());
  cr_expect(take_words(kExec, std::vector<std::string>{"a", "ls", "-l"})->arguments.size() == 3);
}

Test(oci_options, who_makes_cgroups_is_said_in_two_ways_of_which_the_longer_one_wins) {
  cr_expect(globals_of(globals({}))->driver == CgroupDriver::kCgroupfs);
  cr_expect(globals_of(globals({"--systemd-cgroup"}))->driver == CgroupDriver::kSystemd);
  cr_expect(globals_of(globals({"--cgroup-manager", "disabled"}))->driver == CgroupDriver::kDisabled);
  cr_expect(globals_of(globals({"--systemd-cgroup", "--cgroup-manager=cgroupfs"}))->driver == CgroupDriver::kCgroupfs);
  cr_expect(!globals_of(globals({"--cgroup-manager=other"})).has_value());
}

Test(oci_options, the_log_is_json_only_if_asked_for) {
  cr_expect(!globals_of(globals({"--log", "/l"}))->json_log);
  cr_expect(globals_of(globals({"--log-format=json"}))->json_log);
  cr_expect(!globals_of(globals({"--log-format=xml"})).has_value());
  expect_text(globals_of(globals({"--log=file:/l"}))->log, "/l");
}

Test(oci_options, the_root_is_a_directory_of_its_own) {
  Globals settled;
  for (const char* bad : {"--root=/", "--root=//", "--root="})
    cr_expect(!settle_root(globals({bad}), settled).has_value(), "%s", bad);
  cr_assert(settle_root(globals({"--root", "/run/x/"}), settled).has_value());
  expect_text(settled.root, "/run/x");
  cr_assert(settle_root(globals({"--root", "x"}), settled).has_value());
  cr_expect(settled.root.starts_with('/') && settled.root.ends_with("/x"));
}
