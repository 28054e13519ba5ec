// doctor's judgement of hosts that are written by hand.
#include "runtime/doctor.h"

#include <criterion/criterion.h>
#include <linux/capability.h>

#include <algorithm>

using namespace convox;
using namespace convox::runtime;
using cgroups::Controller;

namespace {

Host good_host() {
  Host host;
  host.kernel = {6, 1};
  host.kernel_release = "6.1.0-13-amd64";
  host.machine = "x86_64";
  host.cgroups.mount_point = "/sys/fs/cgroup";
  for (const Controller one : cgroups::kControllers) host.cgroups.controllers.add(one);
  host.effective_capabilities = host.bounding_capabilities = (1ULL << 41) - 1;
  host.seccomp_filters = true;
  host.max_user_namespaces = 96'364;
  host.overlay = true;
  return host;
}

Examination good_examination() {
  Examination facts;
  facts.store = "/var/lib/convox";
  facts.security_modules = "lockdown,capability,yama,apparmor";
  facts.core_pattern = "core";
  facts.probes = {.user_namespace = {},
                  .procfs = {},
                  .store = {},
                  .overlay = {},
                  .idmapped_mount = {},
                  .idmapped_overlay = {},
                  .nftables = {}};
  return facts;
}

const Finding& find(const std::vector<Finding>& findings, std::string_view wanted) {
  const auto found =
      std::find_if(findings.begin(), findings.end(), [wanted](const Finding& one) { return one.name == wanted; });
  cr_assert(found != findings.end(), "no finding %s", std::string(wanted).c_str());
  return *found;
}

struct Case {
  const char* finding;
  Verdict verdict;
  const char *text, *mend;  // parts of them
  void (*spoil)(Host&, Examination&);
};

const Case kCases[] = {
    {"kernel", Verdict::kLacks, "too old", "5.14",
     [](Host& host, Examination&) {
       host.kernel = {5, 10};
     }},
    {"capabilities", Verdict::kLacks, "only root", "sudo", [](Host& host, Examination&) { host.uid = 1000; }},
    {"capabilities", Verdict::kLacks, "SYS_ADMIN", "--privileged",
     [](Host& host, Examination&) { host.effective_capabilities &= ~(1ULL << CAP_SYS_ADMIN); }},
    {"capabilities", Verdict::kWarning, "without SYS_RESOURCE", "",
     [](Host& host, Examination&) { host.effective_capabilities &= ~(1ULL << CAP_SYS_RESOURCE); }},
    {"capabilities", Verdict::kWarning, "3 are missing", "SYS_BOOT",
     [](Host& host, Examination&) {
       host.effective_capabilities &=
           ~(1ULL << CAP_CHECKPOINT_RESTORE | 1ULL << CAP_SYS_BOOT | 1ULL << CAP_SYS_TTY_CONFIG);
     }},
    {"cgroup v2", Verdict::kLacks, "version 1 only", "boot",
     [](Host& host, Examination&) {
       host.no_cgroups = cgroups::find_mount_point("1 1 0:1 / /a rw - cgroup cgroup rw,cpu").error();
     }},
    {"cgroup memory", Verdict::kWarning, "--memory-limit", "cgroup_no_v1=all",
     [](Host& host, Examination&) { host.cgroups.controllers = {}; }},
    {"cgroup memory", Verdict::kWarning, "--memory-limit", "/sys/fs/cgroup/cgroup.procs",
     [](Host& host, Examination&) {
       host.cgroups.controllers = {};
       host.cgroups.occupied = true;
     }},
    {"overlay", Verdict::kLacks, "no overlay", "modprobe", [](Host& host, Examination&) { host.overlay = false; }},
    {"overlay", Verdict::kLacks, "EINVAL", "CONVOX_ROOT",
     [](Host&, Examination& facts) { facts.probes.overlay = Errno(-EINVAL); }},
    {"store", Verdict::kLacks, "Read-only", "/var/lib/convox",
     [](Host&, Examination& facts) { facts.probes.store = Errno(-EROFS); }},
    {"user namespaces", Verdict::kWarning, "forbidden", "user.max_user_namespaces",
     [](Host& host, Examination&) { host.max_user_namespaces = 0; }},
    {"user namespaces", Verdict::kWarning, "not permitted", "chroot",
     [](Host&, Examination& facts) { facts.probes.user_namespace = Errno(-EPERM); }},
    {"idmapped layers", Verdict::kWarning, "--userns host", "5.19",
     [](Host& host, Examination&) {
       host.kernel = {5, 15};
     }},
    {"idmapped layers", Verdict::kWarning, "not on this file system", "CONVOX_ROOT",
     [](Host&, Examination& facts) { facts.probes.idmapped_mount = Errno(-EINVAL); }},
    {"proc", Verdict::kWarning, "--userns host", "unmount /proc/sys",
     [](Host&, Examination& facts) {
       facts.probes.procfs = Errno(-EPERM);
       facts.over_proc = {"/proc/sys"};
     }},
    {"seccomp", Verdict::kLacks, "none", "CONFIG_SECCOMP_FILTER",
     [](Host& host, Examination&) { host.seccomp_filters = false; }},
    {"nftables", Verdict::kWarning, "none", "modprobe",
     [](Host&, Examination& facts) { facts.probes.nftables = Errno(-EINVAL); }},
    {"memfd", Verdict::kLacks, "from memory", "vm.memfd_noexec=1",
     [](Host&, Examination& facts) { facts.memfd_noexec = 2; }},
    {"core dumps", Verdict::kWarning, "as root", "|/usr/lib/systemd/systemd-coredump",
     [](Host&, Examination& facts) { facts.core_pattern = "|/usr/lib/systemd/systemd-coredump %P %u"; }},
    {"terminals", Verdict::kWarning, "TIOCSTI", "dev.tty.legacy_tiocsti=0",
     [](Host&, Examination& facts) { facts.terminal_injection = true; }},
};

}  // namespace

Test(doctor, a_host_with_everything_has_nothing_to_mend) {
  for (const Finding& one : diagnose(good_host(), good_examination())) {
    cr_assert(one.verdict == Verdict::kOk, "%s: %s", one.name.c_str(), one.text.c_str());
    cr_assert(one.mend.empty(), "%s: %s", one.name.c_str(), one.mend.c_str());
  }
}

Test(doctor, each_lack_is_found_weighed_and_can_be_mended) {
  for (const Case& one : kCases) {
    Host host = good_host();
    Examination facts = good_examination();
    one.spoil(host, facts);
    const std::vector<Finding> findings = diagnose(host, facts);
    const Finding& found = find(findings, one.finding);
    cr_expect(found.verdict == one.verdict, "%s: %s", one.finding, found.text.c_str());
    cr_expect(found.text.find(one.text) != std::string::npos, "%s: %s", one.finding, found.text.c_str());
    cr_expect(found.mend.find(one.mend) != std::string::npos && !found.mend.empty(), "%s: %s", one.finding,
              found.mend.c_str());
    cr_expect(healthy(findings) == (one.verdict != Verdict::kLacks), "%s", one.finding);
  }
}

Test(doctor, what_was_not_tried_is_not_called_good) {
  Examination facts = good_examination();
  facts.probes = {};
  const std::vector<Finding> findings = diagnose(good_host(), facts);
  for (const char* name : {"store", "overlay", "user namespaces", "idmapped layers", "proc", "nftables"})
    cr_expect(find(findings, name).verdict != Verdict::kOk, "%s", name);
}

// What `run` will refuse, doctor must not call healthy.
Test(doctor, whatever_stops_run_is_a_lack) {
  for (const Case& one : kCases) {
    Host host = good_host();
    Examination facts = good_examination();
    one.spoil(host, facts);
    if (!check_host(host)) cr_expect(not healthy(diagnose(host, facts)), "%s", one.finding);
  }
}

// 80 columns, less those of the two columns before.
Test(doctor, every_text_fits_its_column) {
  for (const Case& one : kCases) {
    Host host = good_host();
    Examination facts = good_examination();
    one.spoil(host, facts);
    for (const Finding& found : diagnose(host, facts))
      cr_expect(found.text.size() <= 52 && found.name.size() <= 16, "%s: %s", found.name.c_str(), found.text.c_str());
  }
}

Test(doctor, mounts_over_proc_are_listed_but_not_those_that_hide_nothing) {
  const std::vector<std::string> found = find_over_proc(
      "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
      "23 22 0:22 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n"
      "24 22 0:21 /sys /proc/sys ro - proc proc rw\n"
      "25 27 0:23 / /processes rw - tmpfs tmpfs rw\n"
      "26 22 0:24 / /proc/kcore rw - tmpfs tmpfs rw\n");
  cr_assert((found == std::vector<std::string>{"/proc/sys", "/proc/kcore"}));
}
