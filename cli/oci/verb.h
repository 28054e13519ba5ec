// What is a verb of convox-oci?
//
// Engines are the callers, and go-runc's habits are the grammar: global flags before the verb; `--flag value`,
// `--flag=value` and `-flag value` alike; a verb's flags end at its first argument. What goes wrong is one JSON object
// in the file of --log and one line on stderr; what goes right says nothing there, because engines read both streams as
// one. Read next: convox_oci.cc, options.h, any verb_*.cc.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/oci/plan.h"

namespace convox::oci {

struct Flag {
  std::string_view name;   // "console-socket"
  char letter = 0;         // 'b', or 0
  std::string_view value;  // what it takes, for --help; empty: nothing
  std::string_view help;
  bool repeatable = false;
};

struct Globals {
  std::string root;           // settled: never empty
  bool root_of_user = false;  // it is in the caller's XDG_RUNTIME_DIR
  std::string log;
  bool json_log = false, debug = false;
  CgroupDriver driver = CgroupDriver::kCgroupfs;
  bool rootless = false;
};

// The words behind a verb, taken apart.
struct Words {
  std::map<std::string, std::vector<std::string>, std::less<>> flags;  // by long name, in the order given
  std::vector<std::string> arguments;
  [[nodiscard]] bool has(std::string_view flag) const { return flags.find(flag) != flags.end(); }
  // The last value given.
  [[nodiscard]] std::optional<std::string> value(std::string_view flag) const;
  [[nodiscard]] std::vector<std::string> values(std::string_view flag) const;
};

struct Verb {
  std::string_view name;
  std::string_view usage;  // "[flags] ID [SIGNAL]"
  std::string_view help;
  std::span<const Flag> flags;
  std::size_t least = 0, most = 1;  // arguments; most: all that follow, where it is kAll
  int failure = 1;                  // the exit status of an error of ours
  bool needs_root = true;           // it asks where the containers are
  // The exit status. Whatever it prints goes to stdout.
  Result<int> (*perform)(const Globals& globals, const Words& words) = nullptr;
};
inline constexpr std::size_t kAll = ~std::size_t{0};

extern const Verb kCreate, kStart, kRun, kState, kKill, kDelete, kExec, kList, kPs, kPause, kResume, kUpdate, kEvents,
    kFeatures, kSpec, kCheckpoint, kRestore;

}  // namespace convox::oci
