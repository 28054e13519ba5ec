// Rules that need nothing but the configuration. What a kernel refuses by itself, before anything has changed, is not
// repeated here.
#include "runtime/oci/check.h"

#include <sched.h>

#include <algorithm>

#include "runtime/base/words.h"
#include "runtime/oci/config_words.h"

namespace convox::oci {
namespace {

constexpr std::uint32_t kDeadline = 6;  // SCHED_DEADLINE, which sched.h lacks

// "1.2.3", "1.0.2-dev".
bool is_version_one(std::string_view text) {
  const std::string_view major = cut(text, '.'), minor = cut(text, '.'),
                         patch = text.substr(0, text.find_first_of("-+"));
  return major == "1" && number(minor) && number(patch);
}

// sched_setattr(2): each policy has its own fields, and the kernel ignores some of the others silently.
Result<> check_scheduler(const Scheduler& scheduler) {
  const auto wrong = [](std::string_view what) { return invalid(cat("process.scheduler.", what)); };
  const bool nice = scheduler.policy == SCHED_OTHER || scheduler.policy == SCHED_BATCH;
  if (nice && (scheduler.nice < -20 || scheduler.nice > 19)) return wrong("nice: must be from -20 to 19");
  if (scheduler.priority != 0 && scheduler.policy != SCHED_FIFO && scheduler.policy != SCHED_RR)
    return wrong("priority: only SCHED_FIFO and SCHED_RR have one");
  if ((scheduler.runtime || scheduler.deadline || scheduler.period) && scheduler.policy != kDeadline)
    return wrong("runtime, deadline and period: only SCHED_DEADLINE has them");
  return ok();
}

// linux/mempolicy.h; mm/mempolicy.c, mpol_new().
Result<> check_memory_policy(const MemoryPolicy& policy) {
  constexpr std::uint32_t flags = 7U << 13, is_default = 0, preferred = 1, local = 4;
  const std::uint32_t mode = policy.mode & ~flags;
  const auto wrong = [](std::string_view what) { return invalid(cat("linux.memoryPolicy.", what)); };
  if (!policy.nodes.empty() && !is_list_of_numbers(policy.nodes)) return wrong("nodes: must be a list as `0-3,7`");
  if (mode == is_default || mode == local) {
    if (!policy.nodes.empty()) return wrong("nodes: MPOL_DEFAULT and MPOL_LOCAL take none");
    if (policy.mode != mode) return wrong("flags: MPOL_DEFAULT and MPOL_LOCAL take none");
  } else if (policy.nodes.empty() && mode != preferred) {
    return wrong("nodes: this mode needs some");
  }
  return ok();
}

// kernel: Documentation/arch/x86/resctrl.rst. The name of the group becomes that of a directory.
Result<> check_rdt(const IntelRdt& rdt) {
  const auto wrong = [](std::string_view what) { return invalid(cat("linux.intelRdt.", what)); };
  if (rdt.clos_id) {
    const std::string& id = *rdt.clos_id;
    const bool name = id.find_first_of("/\n") == std::string::npos && id != "." && id != "..";
    if (id.empty() || (!name && id != "/")) return wrong("closID: must be the name of a group, or `/`");
  }
  for (const std::string& line : rdt.schemata)
    if (line.empty() || line.find('\n') != std::string::npos) return wrong("schemata: must be one line each");
  return ok();
}

Result<> check_hooks(std::string_view kind, const std::vector<Hook>& hooks) {
  for (std::size_t i = 0; i < hooks.size(); ++i)
    if (!hooks[i].path.starts_with('/')) return invalid(cat("hooks.", kind, "[", i, "].path: must be absolute"));
  return ok();
}

Result<> check_hooks(const Hooks& hooks) {
  TRY(check_hooks("prestart", hooks.prestart));
  TRY(check_hooks("createRuntime", hooks.create_runtime));
  TRY(check_hooks("createContainer", hooks.create_container));
  TRY(check_hooks("startContainer", hooks.start_container));
  TRY(check_hooks("poststart", hooks.poststart));
  return check_hooks("poststop", hooks.poststop);
}

Result<> check_annotations(const Config& config) {
  for (const auto& [key, value] : config.annotations)
    if (key.empty()) return invalid("annotations: a key is empty");
  if (config.annotation("run.oci.systemd.force_cgroup_v1"))
    return invalid("annotations.run.oci.systemd.force_cgroup_v1: there is no cgroup v1 here");
  return ok();
}

// cgroup names are paths below the hierarchy's root: a part `..` would lead out of where the container belongs.
Result<> check_cgroup(const Config& config) {
  std::string_view rest = config.cgroups_path;
  while (!rest.empty())
    if (cut(rest, '/') == "..") return invalid("linux.cgroupsPath: must not contain `..`");
  for (const auto& [file, value] : config.resources.unified)
    if (file.empty() || file.find('/') != std::string::npos)
      return invalid(cat("linux.resources.unified.", file, ": must be the name of a file"));
  return ok();
}

std::string_view name_of(const stage::SetLimit& limit) {
  for (const auto& [word, resource] : kLimits)
    if (resource == limit.resource) return word;
  return {};
}

Result<> check_limits(const std::vector<stage::SetLimit>& limits) {
  for (auto limit = limits.begin(); limit != limits.end(); ++limit) {
    const auto wrong = [&](std::string_view what) {
      return invalid(cat("process.rlimits[", limit - limits.begin(), "]: ", name_of(*limit), what));
    };
    const auto same = [&](const stage::SetLimit& other) { return other.resource == limit->resource; };
    if (std::any_of(limits.begin(), limit, same)) return wrong(" is given twice");
    if (limit->soft > limit->hard) return wrong(": the soft limit is above the hard one");
  }
  return ok();
}

}  // namespace

bool is_clean_path(std::string_view path) {
  if (!path.starts_with('/')) return false;
  while (!path.empty())
    if (cut(path, '/') == "..") return false;
  return true;
}

bool is_list_of_numbers(std::string_view text) {
  if (text.ends_with(',')) return false;
  do {
    const std::string_view range = cut(text, ',');
    const std::size_t dash = range.find('-');
    const auto first = number(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
    if (!first || !last || *last < *first) return false;
  } while (!text.empty());
  return true;
}

Result<> check(const Process& process) {
  if (process.args.empty()) return invalid("process.args: must not be empty");
  if (!process.cwd.starts_with('/')) return invalid("process.cwd: must be absolute");
  TRY(check_limits(process.rlimits));
  if (process.scheduler) TRY(check_scheduler(*process.scheduler));
  if (const auto& affinity = process.exec_cpu_affinity) {
    if (!affinity->initial.empty() && !is_list_of_numbers(affinity->initial))
      return invalid("process.execCPUAffinity.initial: must be a list as `0-3,7`");
    if (!affinity->final.empty() && !is_list_of_numbers(affinity->final))
      return invalid("process.execCPUAffinity.final: must be a list as `0-3,7`");
  }
  return ok();
}

Result<> check(const Config& config) {
  if (!is_version_one(config.version))
    return invalid(cat("ociVersion: \"", config.version, "\" is not a version 1 of the specification"));
  if (config.root.empty()) return invalid("root.path: must not be empty");
  if (config.process) TRY(check(*config.process));
  TRY(check_namespaces(config));
  TRY(check_mounts(config));
  TRY(check_cgroup(config));
  if (config.memory_policy) TRY(check_memory_policy(*config.memory_policy));
  if (config.intel_rdt) TRY(check_rdt(*config.intel_rdt));
  TRY(check_hooks(config.hooks));
  return check_annotations(config);
}

}  // namespace convox::oci
