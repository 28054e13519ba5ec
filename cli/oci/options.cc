#include "cli/oci/options.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/base/fs.h"
#include "runtime/host.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr Flag kGlobal[] = {
    {"root", 0, "DIR", "where the state of the containers is kept"},
    {"log", 0, "FILE", "where errors are written, as well as on standard error"},
    {"log-format", 0, "text|json", "how"},
    {"log-level", 0, "LEVEL", "error, warning or debug"},
    {"debug", 0, "", "write debug lines into the log"},
    {"systemd-cgroup", 0, "", "let systemd make the cgroups"},
    {"cgroup-manager", 0, "cgroupfs|systemd|disabled", "who makes the cgroups"},
    {"rootless", 0, "true|false|auto", "do not insist on cgroups where no limit is asked for"},
    {"criu", 0, "PATH", "accepted and not used"},
    {"version", 'v', "", "print the versions"},
    {"help", 'h', "", "print this help"},
};

constexpr const Verb* kAllVerbs[] = {&kCreate, &kStart, &kRun,      &kState,      &kKill,   &kDelete,
                                     &kExec,   &kList,  &kPs,       &kPause,      &kResume, &kUpdate,
                                     &kEvents, &kSpec,  &kFeatures, &kCheckpoint, &kRestore};

constexpr const char* kRoot = "/run/convox-oci";
constexpr Flag kHelp = {"help", 'h', "", "print this help"};

const Flag* by_name(std::span<const Flag> flags, std::string_view name) {
  for (const Flag& flag : flags)
    if (flag.name == name) return &flag;
  return name == kHelp.name ? &kHelp : nullptr;
}

const Flag* by_letter(std::span<const Flag> flags, char letter) {
  for (const Flag& flag : flags)
    if (flag.letter == letter) return &flag;
  return letter == kHelp.letter ? &kHelp : nullptr;
}

// One walk over the words; `at` is the word that is looked at.
class Taker {
 public:
  Taker(std::span<const Flag> flags, std::span<const std::string> words, Words& into)
      : flags_(flags), words_(words), into_(into) {}

  Result<std::size_t> take() {
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (word == "--") return at_ + 1;
      if (word.size() < 2 || word[0] != '-') return at_;  // `-` alone is standard input
      TRY(take_one(word));
    }
    return at_;
  }

 private:
  Result<> take_one(std::string_view word) {
    const std::string_view body = word.substr(word.starts_with("--") ? 2 : 1);
    const std::size_t equals = body.find('=');
    const std::string_view name = body.substr(0, equals);
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = body.substr(equals + 1);
    if (const Flag* flag = by_name(flags_, name)) return give(*flag, value);
    if (!word.starts_with("--")) return take_letters(word, body);
    return unknown(word);
  }

  // -dt, -u0, -u 0, -e=A=B
  Result<> take_letters(std::string_view word, std::string_view letters) {
    while (!letters.empty()) {
      const Flag* flag = by_letter(flags_, letters[0]);
      if (!flag) return unknown(word);
      letters.remove_prefix(1);
      if (flag->value.empty()) {
        TRY(give(*flag, std::nullopt));
        continue;
      }
      if (letters.starts_with('=')) letters.remove_prefix(1);
      return give(*flag, letters.empty() ? std::nullopt : std::optional(letters));
    }
    return ok();
  }

  Result<> give(const Flag& flag, std::optional<std::string_view> value) {
    if (flag.value.empty()) {
      if (!value || *value == "true") {
        into_.flags[std::string(flag.name)];
        return ok();
      }
      if (*value != "false") return invalid(cat("--", flag.name, " takes no value"));
      into_.flags.erase(std::string(flag.name));
      return ok();
    }
    if (!value) {
      if (at_ + 1 == words_.size()) return invalid(cat("flag needs an argument: --", flag.name));
      value = words_[++at_];
    }
    into_.flags[std::string(flag.name)].emplace_back(*value);
    return ok();
  }

  static Error unknown(std::string_view word) { return invalid(cat("unknown flag: ", word)); }

  std::span<const Flag> flags_;
  std::span<const std::string> words_;
  Words& into_;
  std::size_t at_ = 0;
};

std::string flag_lines(std::span<const Flag> flags) {
  std::string text;
  for (const Flag& flag : flags) {
    std::string line = flag.letter ? cat("  -", flag.letter, ", --", flag.name) : cat("      --", flag.name);
    if (!flag.value.empty()) line += cat(" ", flag.value);
    line.resize(std::max<std::size_t>(line.size() + 2, 36), ' ');
    text += cat(line, flag.help, flag.repeatable ? " (repeatable)\n" : "\n");
  }
  return text;
}

Result<CgroupDriver> driver_of(const Words& words) {
  CgroupDriver driver = words.has("systemd-cgroup") ? CgroupDriver::kSystemd : CgroupDriver::kCgroupfs;
  const auto manager = words.value("cgroup-manager");
  if (!manager) return driver;
  if (*manager == "cgroupfs") return CgroupDriver::kCgroupfs;
  if (*manager == "systemd") return CgroupDriver::kSystemd;
  if (*manager == "disabled") return CgroupDriver::kDisabled;
  return invalid(cat("unknown cgroup manager \"", *manager, "\""));
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

const std::span<const Flag> kGlobalFlags(kGlobal);
const std::span<const Verb* const> kVerbs(kAllVerbs);

std::optional<std::string> Words::value(std::string_view flag) const {
  const auto found = flags.find(flag);
  if (found == flags.end() || found->second.empty()) return std::nullopt;
  return found->second.back();
}

std::vector<std::string> Words::values(std::string_view flag) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::vector<std::string>() : found->second;
}

Result<std::size_t> take_flags(std::span<const Flag> flags, std::span<const std::string> words, Words& into) {
  return Taker(flags, words, into).take();
}

Result<Words> take_words(const Verb& verb, std::span<const std::string> words) {
  Words taken;
  const std::size_t count = TRY(take_flags(verb.flags, words, taken));
  const auto rest = words.subspan(count);
  taken.arguments.assign(rest.begin(), rest.end());
  if (taken.has("help")) return taken;
  if (rest.size() < verb.least) return invalid(cat(verb.name, ": an argument is missing: ", verb.usage));
  if (rest.size() > verb.most) return invalid(cat(verb.name, ": too many arguments: ", verb.usage));
  return taken;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb* verb : kVerbs)
    if (verb->name == name) return verb;
  return nullptr;
}

Result<Globals> globals_of(const Words& words) {
  Globals globals;
  globals.log = words.value("log").value_or("");
  if (globals.log.starts_with("file:")) globals.log.erase(0, 5);
  const std::string format = words.value("log-format").value_or("text");
  globals.json_log = format == "json";
  const std::string level = words.value("log-level").value_or("");
  globals.debug = words.has("debug") || level == "debug";
  if (format != "json" && format != "text") return invalid(cat("unknown log format \"", format, "\""));
  globals.driver = TRY(driver_of(words));
  const std::string rootless = words.value("rootless").value_or("auto");
  if (rootless != "true" && rootless != "false" && rootless != "auto")
    return invalid(cat("--rootless is true, false or auto, not \"", rootless, "\""));
  globals.rootless =
      rootless == "true" || (rootless == "auto" && (::geteuid() != 0 || !runtime::in_initial_user_namespace()));
  return globals;
}

// Podman without root starts us in its user namespace, where we are root: USER tells who we are outside.
Result<> settle_root(const Words& words, Globals& globals) {
  if (const auto given = words.value("root")) {
    std::string& root = globals.root = *given;
    while (root.size() > 1 && root.ends_with('/')) root.pop_back();
    if (root.empty() || root == "/") return invalid(cat("--root must not be \"", *given, "\""));
    if (root[0] == '/') return ok();
    char here[4096];
    TRY(check(sys::getcwd(here, sizeof here), "getcwd", ""));
    root = cat(std::string_view(here), "/", root);
    return ok();
  }
  globals.root_of_user = ::geteuid() != 0 || (!runtime::in_initial_user_namespace() && variable("USER") != "root");
  globals.root = kRoot;
  if (!globals.root_of_user) return ok();
  std::string directory = variable("XDG_RUNTIME_DIR");
  if (directory.empty()) directory = cat("/run/user/", ::geteuid());
  if (sys::faccessat2(AT_FDCWD, directory.c_str(), 0, 0) < 0)
    return invalid(cat("there is no ", directory, " for the state of containers; set XDG_RUNTIME_DIR, or --root"));
  globals.root = cat(directory, "/convox-oci");
  return ok();
}

std::string usage() {
  std::string text = "usage: convox-oci [global flags] VERB [flags] [arguments]\n\nverbs:\n";
  for (const Verb* verb : kVerbs) {
    std::string line = cat("  ", verb->name);
    line.resize(16, ' ');
    text += cat(line, verb->help, "\n");
  }
  return text + "\nglobal flags:\n" + flag_lines(kGlobalFlags);
}

std::string usage(const Verb& verb) {
  return cat("usage: convox-oci [global flags] ", verb.name, " ", verb.usage, "\n\n", verb.help, "\n\nflags:\n",
             flag_lines(verb.flags), flag_lines({&kHelp, 1}));
}

}  // namespace convox::oci
