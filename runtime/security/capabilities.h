// Which of root's powers does a payload keep, and in which of its five sets?
//
// Since Linux 2.2 root's power is cut into capabilities, each a bit; every thread has five sets of them and execve
// computes new ones from the old, from the file, and from being root: capabilities(7), "Transformation of capabilities
// during execve". convox wants that computation to have no surprises:
//  - bounding: the ceiling. No execve can give what is not in it, a setuid file's neither.
//  - permitted, effective: what the payload may do now. Empty for a user other than root.
//  - inheritable: always empty. A non-empty one lets file capabilities pass through execve, which no image expects;
//    five engines had a CVE for setting it (CVE-2022-24769, -27649, -27650, -27651, -29162).
//  - ambient: always empty. It is the set that survives execve of an ordinary file by an ordinary user.
// This header needs nothing but the numbers. Read next: seccomp.h, which refuses calls by the same sets.
#pragma once
#include <linux/capability.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::security {

using CapabilitySet = std::uint64_t;  // bit n is capability n of linux/capability.h

constexpr CapabilitySet bit(unsigned capability) { return CapabilitySet{1} << capability; }

// What a service gets when it asks for nothing: enough to install packages and to drop to another user, nothing that
// reaches a device, the network's wire or the kernel. Docker's list without AUDIT_WRITE, MKNOD and NET_RAW (ARP and
// router spoofing on a shared bridge: CVE-2020-10749, CVE-2020-13401). In a user namespace each counts only inside it.
inline constexpr CapabilitySet kDefaultCapabilities =
    bit(CAP_CHOWN) |             // package managers and entrypoints give files to the service's user
    bit(CAP_DAC_OVERRIDE) |      // root in the image works on files of the image's other users
    bit(CAP_FOWNER) |            // chmod, utimes and sticky directories for those files
    bit(CAP_FSETID) |            // keep setuid and setgid bits when such a file is changed
    bit(CAP_KILL) |              // an init or supervisor signals children that changed their user
    bit(CAP_SETGID) |            // become the service's group and
    bit(CAP_SETUID) |            // user (su, gosu, nginx's workers)
    bit(CAP_SETPCAP) |           // give up more of these: dropping from the bounding set needs it
    bit(CAP_NET_BIND_SERVICE) |  // ports below 1024 in the container's own network
    bit(CAP_SYS_CHROOT) |        // sshd, postfix and bind lock their workers into an empty directory
    bit(CAP_SETFCAP);            // package managers restore file capabilities (ping, dumpcap)
static_assert(kDefaultCapabilities == 0x800405fb);

// Every capability of a kernel whose /proc/sys/kernel/cap_last_cap says `last`.
constexpr CapabilitySet all_capabilities(unsigned last) { return last >= 63 ? ~CapabilitySet{0} : bit(last + 1) - 1; }

struct CapabilitySets {
  CapabilitySet bounding = 0;
  CapabilitySet permitted = 0;
  CapabilitySet effective = 0;
  CapabilitySet inheritable = 0;
  CapabilitySet ambient = 0;
  bool operator==(const CapabilitySets&) const = default;
};

// The five sets of a payload that may have `granted`, started as root or as somebody else.
constexpr CapabilitySets payload_sets(CapabilitySet granted, bool root) {
  return {.bounding = granted, .permitted = root ? granted : 0, .effective = root ? granted : 0};
}

// "net_raw", "NET_RAW" and "CAP_NET_RAW" are one capability, "ALL" is `all`: what this kernel has (all_capabilities).
// A name that nobody knows and one that this kernel lacks are errors: a capability silently not dropped is a hole.
Result<CapabilitySet> parse_capability(std::string_view name, CapabilitySet all);

// `from`, changed by two lists of names. Dropping comes first, so that {"ALL"} dropped and {"CHOWN"} added leaves
// CHOWN. With ALL added, `all` is the start and what is dropped is missing from it. One name in both lists is an error.
Result<CapabilitySet> adjust(CapabilitySet from, const std::vector<std::string>& add,
                             const std::vector<std::string>& drop, CapabilitySet all);

// "CHOWN DAC_OVERRIDE", by number; "none" for the empty set.
std::string names(CapabilitySet set);

}  // namespace convox::security
