#include "runtime/doctor.h"

#include <errno.h>
#include <fcntl.h>

#include <algorithm>
#include <bit>

#include "cgroups/limits.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/security/capabilities.h"

namespace convox::runtime {
namespace {

using cgroups::Controller;

// The first line of a small file of the kernel's, or nothing.
std::string first_line(const std::string& path) {
  const Result<std::string> text = fs::read_once(AT_FDCWD, path);
  if (!text) return {};
  std::string_view rest = *text;
  return std::string(cut(rest, '\n'));
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += cat(text.empty() ? "" : ", ", word);
  return text;
}

Finding good(std::string_view name, std::string text) { return {std::string(name), Verdict::kOk, std::move(text), {}}; }
Finding warning(std::string_view name, std::string text, std::string mend) {
  return {std::string(name), Verdict::kWarning, std::move(text), std::move(mend)};
}
Finding lacks(std::string_view name, std::string text, std::string mend) {
  return {std::string(name), Verdict::kLacks, std::move(text), std::move(mend)};
}

// --- one function a subject -----------------------------------------------------------------------------------------

Finding kernel(const Host& host) {
  const std::string found = cat("Linux ", host.kernel_release, " ", host.machine);
  if (host.kernel < kOldestKernel) return lacks("kernel", cat(found, ", too old"), "install Linux 5.14 or later");
  return good("kernel", found);
}

Finding capabilities(const Host& host, const Examination& facts) {
  constexpr std::string_view kName = "capabilities";
  const std::uint64_t missing = security::all_capabilities(facts.last_capability) & ~host.effective_capabilities;
  if (host.uid != 0) return lacks(kName, cat("uid ", host.uid, ": only root can start containers"), "use sudo");
  if (missing & security::bit(CAP_SYS_ADMIN))
    return lacks(kName, "no SYS_ADMIN: nothing can be mounted", "in a container: start that with --privileged");
  if (missing) {
    const std::string names = security::names(missing);
    return warning(kName, names.size() < 40 ? cat("without ", names) : cat(std::popcount(missing), " are missing"),
                   cat("let this process have ", names));
  }
  return good(kName, "all");
}

Finding hierarchy(const Host& host) {
  constexpr std::string_view kName = "cgroup v2";
  if (host.no_cgroups) return lacks(kName, host.no_cgroups->text, host.no_cgroups->advice);
  const bool hybrid = host.cgroups.uncontrolled() && !host.cgroups.occupied;
  const std::string_view note = host.cgroups.occupied ? ", of a container" : hybrid ? ", hybrid with version 1" : "";
  return good(kName, cat(host.cgroups.mount_point, note));
}

// What a user misses without the controller.
std::string_view loss(Controller controller) {
  switch (controller) {
    case Controller::kCpu:
      return "no --cpu, no --cpu-limit";
    case Controller::kMemory:
      return "no --memory, no --memory-limit; MEM is estimated";
    case Controller::kPids:
      return "no --pids-limit, no protection from fork bombs";
    case Controller::kIo:
      return "no io weights";
    case Controller::kCpuset:
      return "containers cannot be kept to some processors";
  }
  __builtin_unreachable();
}

Finding controller(const Host& host, Controller one) {
  const std::string subject = cat("cgroup ", cgroups::name(one));
  if (host.cgroups.controllers.has(one)) return good(subject, "limits can be set");
  if (host.no_cgroups) return warning(subject, std::string(loss(one)), {});
  return warning(subject, std::string(loss(one)), cgroups::remedy(host.cgroups, "all"));
}

// What nobody could try is neither good nor bad; why it could not be tried is another finding.
Finding untried(std::string_view name) { return warning(name, "not tried", {}); }

std::string other_file_system(const Examination& facts) {
  return cat("set CONVOX_ROOT to a directory on ext4, xfs or btrfs, not ", facts.store);
}

Finding store(const Host& host, const Examination& facts) {
  constexpr std::string_view kName = "store";
  if (host.uid != 0) return untried(kName);
  if (facts.probes.store) return lacks(kName, describe(facts.probes.store), cat("make ", facts.store, " writable"));
  return good(kName, facts.store);
}

Finding overlay(const Host& host, const Examination& facts) {
  constexpr std::string_view kName = "overlay";
  if (!host.overlay) return lacks(kName, "the kernel has no overlay file system", "modprobe overlay");
  if (facts.probes.overlay == kNotTried || facts.probes.overlay.value == EPERM) return untried(kName);
  if (facts.probes.overlay)
    return lacks(kName, cat("not on this file system: ", describe(facts.probes.overlay)), other_file_system(facts));
  return good(kName, "works on the store's file system");
}

Finding user_namespaces(const Host& host, const Examination& facts) {
  constexpr std::string_view kName = "user namespaces";
  constexpr std::string_view kMeaning = ": only --userns host works";
  if (!host.user_namespaces())
    return warning(kName, cat("forbidden", kMeaning), "sysctl -w user.max_user_namespaces=65536");
  if (host.uid != 0) return untried(kName);
  if (facts.probes.user_namespace.value == EPERM)  // whatever the limit says, in a chroot  clone(2)
    return warning(kName, cat("not permitted", kMeaning), "leave the chroot, or allow them in the security module");
  if (facts.probes.user_namespace) return warning(kName, cat(describe(facts.probes.user_namespace), kMeaning), {});
  return good(kName, "65,536 ids for each container");
}

Finding idmapped_layers(const Host& host, const Examination& facts) {
  constexpr std::string_view kName = "idmapped layers";
  const Probes& probes = facts.probes;
  if (!host.idmapped_layers())
    return warning(kName, "too old a kernel: only --userns host works", "install Linux 5.19 or later");
  if (probes.idmapped_mount == kNotTried) return untried(kName);
  if (probes.idmapped_mount)
    return warning(kName, "not on this file system: only --userns host works", other_file_system(facts));
  if (probes.idmapped_overlay)
    return warning(kName, "not below overlay: only --userns host works", "install a newer kernel");
  return good(kName, "work on the store's file system");
}

// The kernel lets a user namespace mount a proc only if it sees a whole one already: else the new one would uncover
// what the old one hides.  fs/namespace.c, mount_too_revealing
Finding proc(const Examination& facts) {
  constexpr std::string_view kName = "proc";
  const std::string mend =
      facts.over_proc.empty() ? "mount a whole proc on /proc" : cat("unmount ", joined(facts.over_proc));
  if (facts.probes.procfs == kNotTried) return untried(kName);
  if (facts.probes.procfs) return warning(kName, "none in user namespaces: only --userns host works", mend);
  return good(kName, "a new one can be mounted in a user namespace");
}

Finding seccomp(const Host& host) {
  if (!host.seccomp_filters) return lacks("seccomp", "the kernel has none", "use a kernel with CONFIG_SECCOMP_FILTER");
  return good("seccomp", "filters");
}

Finding security_modules(const Examination& facts) {
  constexpr std::string_view kName = "security modules";
  if (facts.security_modules.empty()) return good(kName, "unknown: securityfs is not mounted");
  std::string list = facts.security_modules;
  std::replace(list.begin(), list.end(), ',', ' ');
  return good(kName, cat(list, facts.selinux_enforcing ? " (selinux enforces)" : ""));
}

Finding nftables(const Examination& facts) {
  if (facts.probes.nftables.value == EPERM) return untried("nftables");
  if (facts.probes.nftables) return warning("nftables", "none: run needs --network none or host", "modprobe nf_tables");
  return good("nftables", "answers");
}

Finding programs_in_memory(const Host& host, const Examination& facts) {
  constexpr std::string_view kName = "memfd";
  if (facts.memfd_noexec >= 2)
    return lacks(kName, "no program may be executed from memory", "sysctl -w vm.memfd_noexec=1");
  return good(kName, host.executable_memfd_flag() ? "executable, can be sealed as such" : "executable");
}

// The limit of core files (0 in every container) does not stop a pipe.  core(5)
Finding core_dumps(const Examination& facts) {
  constexpr std::string_view kName = "core dumps";
  if (!facts.core_pattern.starts_with('|')) return good(kName, "are files, which containers do not write");
  return warning(kName, "a crash in a container starts a program as root here",
                 cat("sysctl -w kernel.core_pattern=core (it is ", facts.core_pattern, ")"));
}

Finding terminals(const Examination& facts) {
  constexpr std::string_view kName = "terminals";
  if (facts.terminal_injection)
    return warning(kName, "input can be faked (TIOCSTI); containers may not", "sysctl -w dev.tty.legacy_tiocsti=0");
  return good(kName, "input cannot be faked");
}

}  // namespace

std::vector<std::string> find_over_proc(std::string_view mountinfo) {
  std::vector<std::string> found;
  while (!mountinfo.empty()) {
    std::string_view line = cut(mountinfo, '\n');
    for (int field = 0; field < 4; ++field) cut(line, ' ');
    const std::string_view place = cut(line, ' ');
    if (place.starts_with("/proc/") && place != "/proc/sys/fs/binfmt_misc") found.emplace_back(place);
  }
  return found;
}

// A fact that cannot be read stays at its default: doctor speaks of what it can see.
Examination examine(const std::string& store) {
  Examination facts;
  facts.store = store;
  facts.probes = probe(store);
  facts.last_capability =
      static_cast<unsigned>(number(first_line("/proc/sys/kernel/cap_last_cap")).value_or(facts.last_capability));
  facts.security_modules = first_line("/sys/kernel/security/lsm");
  facts.selinux_enforcing = first_line("/sys/fs/selinux/enforce") == "1";
  facts.core_pattern = first_line("/proc/sys/kernel/core_pattern");
  facts.memfd_noexec = static_cast<int>(number(first_line("/proc/sys/vm/memfd_noexec")).value_or(0));
  // Before Linux 6.2 there is no switch, and it is on.
  facts.terminal_injection = first_line("/proc/sys/dev/tty/legacy_tiocsti") != "0";
  if (const Result<UniqueFd> file = fs::open("/proc/self/mountinfo", O_RDONLY))
    if (const Result<std::string> text = fs::read_all(file->get(), "/proc/self/mountinfo", 64 << 20))
      facts.over_proc = find_over_proc(*text);
  return facts;
}

std::vector<Finding> diagnose(const Host& host, const Examination& facts) {
  std::vector<Finding> findings{kernel(host), capabilities(host, facts), hierarchy(host)};
  for (const Controller one : cgroups::kControllers) findings.push_back(controller(host, one));
  for (Finding finding : {store(host, facts), overlay(host, facts), user_namespaces(host, facts),
                          idmapped_layers(host, facts), proc(facts), seccomp(host), security_modules(facts),
                          nftables(facts), programs_in_memory(host, facts), core_dumps(facts), terminals(facts)})
    findings.push_back(std::move(finding));
  return findings;
}

bool healthy(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& finding) { return finding.verdict == Verdict::kLacks; });
}

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kLacks:
      return "lacks";
  }
  __builtin_unreachable();
}

}  // namespace convox::runtime
