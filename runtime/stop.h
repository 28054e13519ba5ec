// How is a running container told to end, and made to?
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "runtime/containers.h"
#include "runtime/holder.h"
#include "runtime/host.h"

namespace convox::runtime {

struct Stopped {
  bool killed = false;   // it did not end by itself
  bool unheard = false;  // at once, because its PID 1 has no handler for the signal
};

// In two parts, so that many can be told first and then waited for. All references must outlive this.
class Stop {
 public:
  // The time to answer is `grace`, or else what the record says; with zero it is killed at once. `signals` is a
  // signalfd: one that asks to end ends the wait, not the stopping.
  Stop(const Containers& containers, const Host& host, std::string id, std::optional<std::chrono::seconds> grace,
       int signals)
      : containers_(containers), host_(host), id_(std::move(id)), grace_(grace), signals_(signals) {}

  // Sends the stop signal, and sees to it that the container is not started again, whatever its policy says.
  Result<> begin();
  // Waits for its end as long as the grace lasts, then kills all of it by cgroup.kill; returns when nobody holds it any
  // more, with all of its record written. Several at once, of one container: all return when it has ended. ETIMEDOUT if
  // what was killed does not die.
  Result<Stopped> finish();

 private:
  Result<> ask(const Holder& holder);
  Result<> kill(const Holder& holder);
  Result<> wait(const Holder& holder);

  const Containers& containers_;
  const Host& host_;
  std::string id_;
  std::optional<std::chrono::seconds> grace_;
  int signals_;
  Stopped stopped_;
  int asked_ = 0;  // the payload that was sent the signal
  std::optional<std::chrono::steady_clock::time_point> deadline_;
};

}  // namespace convox::runtime
