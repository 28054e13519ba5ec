// Which logs of an app have grown, and which processes are new?
//
// Asked of inotify(7), which also says that it lost events: then anything may have changed. A directory is watched
// before it is read, so that nothing can fall in between.
#pragma once
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

class LogWatch {
 public:
  // `logs` is the directory of that name in `app`; both outlive this.
  static Result<LogWatch> start(int app, int logs);

  // From now on changes() tells of this process, by the number returned. kNone: it is gone.
  Result<int> add(const std::string& id);
  void remove(int watch);
  static constexpr int kNone = -1;

  struct Changes {
    std::vector<std::string> made;  // names of new processes
    std::vector<int> grown;         // may hold one more than once
    std::vector<int> gone;          // their directories were removed; the numbers mean nothing any more
    bool lost = false;              // there is more that is not told
    bool all_gone = false;          // the app's logs were removed
  };
  // What happened since it was last asked.
  Result<Changes> changes();
  [[nodiscard]] int fd() const { return fd_.get(); }  // readable when something has happened

 private:
  LogWatch(UniqueFd fd, int logs) : fd_(std::move(fd)), logs_(logs) {}
  void tell(int watch, unsigned event, std::string_view name, Changes& changes) const;

  UniqueFd fd_;
  int logs_;
  int app_watch_ = kNone, logs_watch_ = kNone;
};

}  // namespace convox::runtime
