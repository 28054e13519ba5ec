// runtime-spec 1.3, config.md, "Process" and "POSIX process".
#include <sched.h>

#include "runtime/oci/config_read.h"
#include "runtime/oci/config_words.h"

namespace convox::oci {
namespace {

// sched(7). SCHED_ISO is a number that the kernel keeps free: it answers EINVAL.
constexpr Word<std::uint32_t> kPolicies[] = {
    {"SCHED_OTHER", SCHED_OTHER}, {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH}, {"SCHED_ISO", 4},           {"SCHED_IDLE", SCHED_IDLE},
    {"SCHED_DEADLINE", 6},
};
// linux/sched.h
constexpr Word<std::uint64_t> kSchedulerFlags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", 0x01},  {"SCHED_FLAG_RECLAIM", 0x02},     {"SCHED_FLAG_DL_OVERRUN", 0x04},
    {"SCHED_FLAG_KEEP_POLICY", 0x08},    {"SCHED_FLAG_KEEP_PARAMS", 0x10}, {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40},
};

constexpr Word<std::uint32_t> kIoClasses[] = {{"IOPRIO_CLASS_RT", 1}, {"IOPRIO_CLASS_BE", 2}, {"IOPRIO_CLASS_IDLE", 3}};
constexpr unsigned kIoClassShift = 13;  // ioprio_set(2)

// Names that no kernel of ours knows are left out: engines send those of the newest.
void read_capabilities(const Item& item, security::CapabilitySet& set) {
  item.elements([&](const Item& element) {
    if (!element.check(element.value().IsString(), "a string") || !element.text().starts_with("CAP_")) return;
    if (const auto one = security::parse_capability(element.text(), security::all_capabilities(63))) set |= *one;
  });
}

// An empty profile or label is none.
void take_name(const Item& item, std::string_view key, std::optional<std::string>& name) {
  item.take(key, name);
  if (name && name->empty()) name.reset();
}

}  // namespace

static void read(const Item& item, runtime::TerminalSize& size) {
  item.take("height", size.rows);
  item.take("width", size.columns);
}

static void read(const Item& item, User& user) {
  item.take("uid", user.uid);
  item.take("gid", user.gid);
  item.take("umask", user.umask);
  item.take("additionalGids", user.additional_gids);
}

static void read(const Item& item, Capabilities& capabilities) {
  const std::pair<std::string_view, security::CapabilitySet&> sets[] = {{"bounding", capabilities.bounding},
                                                                        {"effective", capabilities.effective},
                                                                        {"permitted", capabilities.permitted},
                                                                        {"inheritable", capabilities.inheritable},
                                                                        {"ambient", capabilities.ambient}};
  for (const auto& [key, set] : sets)
    if (const json::Value* value = item.find(key)) read_capabilities(Item(*value, item, key), set);
}

static void read(const Item& item, stage::SetLimit& limit) {
  if (!item.has("type")) return item.fail("`type` is missing");
  item.choose("type", kLimits, limit.resource);
  item.take("soft", limit.soft);
  item.take("hard", limit.hard);
}

static void read(const Item& item, Scheduler& scheduler) {
  if (!item.has("policy")) return item.fail("`policy` is missing");
  item.choose("policy", kPolicies, scheduler.policy);
  item.take("nice", scheduler.nice);
  item.take("priority", scheduler.priority);
  item.take("runtime", scheduler.runtime);
  item.take("deadline", scheduler.deadline);
  item.take("period", scheduler.period);
  item.elements("flags", [&](const Item& element) {
    std::uint64_t flag = 0;
    element.choose(kSchedulerFlags, flag);
    scheduler.flags |= flag;
  });
}

static void read_io_priority(const Item& item, std::optional<std::uint32_t>& value) {
  std::uint32_t level = 0, priority = 0;
  if (!item.has("class")) return item.fail("`class` is missing");
  item.choose("class", kIoClasses, level);
  item.take("priority", priority, 0U, 7U);
  value = level << kIoClassShift | priority;
}

static void read(const Item& item, CpuAffinity& affinity) {
  item.take("initial", affinity.initial);
  item.take("final", affinity.final);
}

void read(const Item& item, Process& process) {
  item.take("terminal", process.terminal);
  item.take("consoleSize", process.console_size);
  item.take("user", process.user);
  item.take("args", process.args);
  item.take("env", process.env);
  process.cwd.clear();  // it must be there
  item.take("cwd", process.cwd);
  item.take("capabilities", process.capabilities);
  item.take("noNewPrivileges", process.no_new_privileges);
  item.take("rlimits", process.rlimits);
  take_name(item, "apparmorProfile", process.apparmor_profile);
  take_name(item, "selinuxLabel", process.selinux_label);
  if (item.has("oomScoreAdj")) item.take("oomScoreAdj", process.oom_score_adj.emplace(), -1000, 1000);
  item.take("scheduler", process.scheduler);
  if (const json::Value* value = item.find("ioPriority"))
    read_io_priority(Item(*value, item, "ioPriority"), process.io_priority);
  item.take("execCPUAffinity", process.exec_cpu_affinity);
}

}  // namespace convox::oci
