// What does the host remember of a container?
//
// One JSON file, RUN/c/<id>/state.json, written before the first side effect and naming everything that will exist; so
// whoever finds it after a kill -9 can undo it all. Replaced as a whole by rename, never changed in place.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::runtime {

enum class Phase {
  kCreating,
  kRunning,
  kWaiting,  // it ended and will be started again when its back-off is over
  kStopped,
};

inline constexpr int kUnknownStatus = -1;

struct Record {
  std::string id, app, service, release;
  std::vector<std::string> command;  // as the user wrote it
  Phase phase = Phase::kCreating;
  std::string boot_id;              // process ids of another boot mean nothing
  int pid = 0;                      // of the container's PID 1, once it runs
  std::int64_t started = 0;         // seconds since 1970
  int status = 0;                   // exit status, once stopped; kUnknownStatus if nobody was there to see it
  std::string cgroup;               // below the hierarchy's root
  std::vector<std::string> layers;  // chain ids that it stands on: not to be swept away
  bool keep = false;

  bool detached = false;       // a keeper holds it, and its output goes to the logs
  bool remove = false;         // its files and record go when it has ended (--rm)
  std::string restart = "no";  // "no", "on-failure", "on-failure:N", "always"
  int restarts = 0;            // how often it was started again
  int streak = 0;              // how often in a row it was started again because it ended soon: decides the back-off
  std::int64_t timeout = 0;    // nanoseconds that each start may run; 0: for ever
  std::int64_t log_size = 0;   // bytes of output that are kept
  int holder = 0;              // pid of whoever holds its claim: the attached convox, or the keeper
  int minder = 0;              // pid of the one that starts it again; 0: none
  int stop_signal = 15;        // what `ps stop` sends
  int grace = 30;              // seconds from there to SIGKILL
  std::int64_t finished = 0;   // seconds since 1970, once stopped
  int signal = 0;              // that ended it; 0: it exited
  bool out_of_memory = false;
  std::string why;  // of a status that nobody saw: "keeper killed", "host rebooted"
};

std::string print(const Record& record);
Result<Record> parse_record(std::string_view text);
std::string_view name(Phase phase);

inline constexpr const char* kRecordName = "state.json";
// Of the container whose directory this is. Nothing if there is none: it is not written yet, or gone.
Result<std::optional<Record>> read_record(int directory);

}  // namespace convox::runtime
