// What does this host offer, what does it lack, what does that mean, and how is it mended?
//
// `examine` gathers facts, `diagnose` judges them: a pure function, so that a test can be any host.
// Read next: probe.h, which tries things instead of believing in them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/host.h"
#include "runtime/probe.h"

namespace convox::runtime {

// What only doctor asks of a host.
struct Examination {
  std::string store;              // where images and containers will lie
  Probes probes;                  // what came of trying
  unsigned last_capability = 40;  // the highest that this kernel knows
  std::string security_modules;   // "lockdown,capability,yama,apparmor"; empty: unknown
  bool selinux_enforcing = false;
  std::vector<std::string> over_proc;  // mounts that cover parts of /proc
  std::string core_pattern;            // a leading '|' is a program that the host runs
  int memfd_noexec = 0;                // sysctl vm.memfd_noexec; 2: no program may be executed from memory
  bool terminal_injection = false;     // sysctl dev.tty.legacy_tiocsti
};

enum class Verdict {
  kOk,
  kWarning,  // `run` works, with less than it could give
  kLacks,    // `run` cannot work
};

struct Finding {
  std::string name;  // "cgroup memory"
  Verdict verdict = Verdict::kOk;
  std::string text;  // what is there, or what its lack means
  std::string mend;  // what to do about it; empty if all is well or nothing can be done
};

Examination examine(const std::string& store);
std::vector<Finding> diagnose(const Host& host, const Examination& facts);
// Can `run` work here?
bool healthy(const std::vector<Finding>& findings);

std::string_view name(Verdict verdict);  // "ok", "warning", "lacks"

// Mount points below /proc in the text of a mountinfo file. Where the kernel keeps an empty directory for others
// (binfmt_misc) a mount hides nothing.
std::vector<std::string> find_over_proc(std::string_view mountinfo);

}  // namespace convox::runtime
