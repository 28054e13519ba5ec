// What will the stage do for this container, and in which order?
//
// `plan_stage` decides; it touches nothing. Its result is the steps and their texts as plain values, which can be
// printed (words.h) and turned into the bytes that the stage maps (stage/plan.h).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/container_config.h"
#include "runtime/host.h"
#include "runtime/stage/plan.h"

namespace convox::runtime {

// Steps and the texts that they name. Offsets of texts count from the start of the text area until `bytes` moves them.
class StagePlan {
 public:
  void then(const stage::Step& step) { steps_.push_back(step); }
  stage::Text text(std::string_view text);
  stage::Texts list(const std::vector<std::string>& texts);

  [[nodiscard]] const std::vector<stage::Step>& steps() const { return steps_; }
  [[nodiscard]] std::string_view view(stage::Text text) const { return {texts_.data() + text.at, text.size}; }
  [[nodiscard]] std::vector<std::string> views(stage::Texts list) const;

  // What the plan's head says.
  std::vector<std::string> argv, split_argv, env;
  bool adds_home = false;
  bool traced = false;

  // The block for the stage; its first step is number `first` of the whole launch.
  [[nodiscard]] std::string bytes(std::uint32_t first) const;

 private:
  std::vector<stage::Step> steps_;
  std::string texts_;  // each followed by a NUL; lists are stored as Text records, aligned
};

// Files of each container in /etc. MakeDevices writes them to /dev under a leading dot, PlaceFile shows them at their
// places.
inline constexpr std::string_view kIdentityFiles[] = {"hosts", "hostname", "resolv.conf"};

// Does /etc/hosts show the names of its network? The user may have put something else there.
bool shows_names(const ContainerConfig& config);

// The descriptors that the host side hands to the stage, in this order.
struct Slots {
  std::uint32_t root = 0, devices = 1;
  std::uint32_t sysfs = 0;         // only with the host's network
  std::uint32_t names = 0;         // only where shows_names
  std::uint32_t first_volume = 2;  // one for each volume
  std::uint32_t count = 2;
};
Slots slots_of(const ContainerConfig& config);

// `filter` is the seccomp program, empty for none.
StagePlan plan_stage(const ContainerConfig& config, const Host& host, std::string_view filter);
// For one more command in a container that runs: `config` is that container's, with the command's own argv, env,
// directory, user and terminal. `detached`: nobody listens to it or waits for it.
StagePlan plan_joining_stage(const ContainerConfig& config, const std::vector<stage::SetLimit>& limits,
                             const Host& host, std::string_view filter, bool detached);

}  // namespace convox::runtime
