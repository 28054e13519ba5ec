// How much do containers use at this moment?
//
// Processor time is a counter: a share of it takes two readings and the time between them. All containers are read,
// then comes one wait for all, then all are read again, and each is judged by its own two moments. `ps` waits once for
// a short while; `stats` reads at each tick, and the last tick was the first reading. Read next: cgroups/stats.h.
#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "cgroups/stats.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/host.h"

namespace convox::runtime {

struct Usage {
  double cpu = 0;                  // percent of one processor
  std::uint64_t cpu_time = 0;      // microseconds since it was started
  std::uint64_t memory = 0;        // bytes
  std::uint64_t memory_limit = 0;  // its limit, or all the memory of the host
  std::optional<std::uint64_t> pids = {};
  std::optional<cgroups::Io> io = {};
  double io_rate = 0;  // bytes a second, read and written
  std::optional<cgroups::Pressure> cpu_pressure = {}, memory_pressure = {}, io_pressure = {};
  bool frozen = false;

  [[nodiscard]] double memory_percent() const;
};

// Which files are read for it.
struct Wanted {
  bool cpu = false, memory = false, pids = false, io = false, pressure = false, frozen = false;
  [[nodiscard]] bool any() const { return cpu || memory || pids || io || pressure || frozen; }
};

class Meter {
 public:
  // `host` must outlive this.
  static Result<Meter> open(const Host& host);

  // Begins a window for what is judged by its growth; groups are named as in Record::cgroup.
  void begin(const std::vector<std::string>& groups, const Wanted& wanted);
  // What each group uses, in their order. The next window begins where this one ends. What cannot be told is 0: a
  // container may end at any moment, and that is no failure of whoever looks at the others.
  std::vector<Usage> read(const std::vector<std::string>& groups, const Wanted& wanted);

 private:
  using Clock = std::chrono::steady_clock;
  struct Sample {
    std::uint64_t cpu_time = 0, io = 0;
    Clock::time_point at;
    unsigned round = 0;  // the reading that it was last seen in
  };

  Meter(const Host& host, UniqueFd root) : host_(host), root_(std::move(root)) {}
  void read_growing(cgroups::GroupFiles files, const std::string& group, const Wanted& wanted, Usage& into);

  const Host& host_;
  UniqueFd root_;  // of the hierarchy
  std::unordered_map<std::string, Sample> last_;
  unsigned round_ = 0;
};

// A window that is short for a user and long for a kernel, which adds up running time 100 to 1,000 times a second.
inline constexpr std::chrono::milliseconds kWindow{150};

// Begins, waits once, reads.
Result<std::vector<Usage>> usage_now(const Host& host, const std::vector<std::string>& groups, const Wanted& wanted);

}  // namespace convox::runtime
