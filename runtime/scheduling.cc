#include "runtime/scheduling.h"

#include <fcntl.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/resource.h>

#include <cstring>

#include "runtime/base/fs.h"

namespace convox::runtime {

Result<> lower_own_oom_score() {
  Result<> written = fs::write_once(AT_FDCWD, "/proc/self/oom_score_adj", "-999");
  return !written && written.error().code == EACCES ? ok() : std::move(written);
}

Result<> reset_scheduling(int pid) {
  constexpr int kProcess = 1;  // IOPRIO_WHO_PROCESS
  const sched_param plain{};
  unsigned char every_cpu[1024];
  std::memset(every_cpu, 0xff, sizeof every_cpu);
  TRY(check(sys::sched_setscheduler(pid, SCHED_OTHER, &plain), "sched_setscheduler", ""));
  TRY(check(sys::setpriority(PRIO_PROCESS, pid, 0), "setpriority", "0"));
  TRY(check(sys::ioprio_set(kProcess, pid, 0), "ioprio_set", ""));
  TRY(check(sys::sched_setaffinity(pid, sizeof every_cpu, every_cpu), "sched_setaffinity", ""));
  const UniqueFd process = TRY(fs::open(cat("/proc/", pid), O_PATH | O_DIRECTORY));
  const std::string score = TRY(fs::read(process.get(), "oom_score_adj", 16));
  if (score == "0\n") return ok();
  Result<> written = fs::write_once(process.get(), "oom_score_adj", "0");
  // Lowering it needs CAP_SYS_RESOURCE; a payload that stays easier to kill endangers nobody.
  if (!written && written.error().code == EACCES && score[0] != '-') return ok();
  return written;
}

}  // namespace convox::runtime
