// Which powers does a payload keep? Names, sets and arithmetic; no root, no kernel.
#include "runtime/security/capabilities.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

using namespace convox;
using namespace convox::security;

namespace {

constexpr CapabilitySet kAll = all_capabilities(CAP_LAST_CAP);

CapabilitySet parsed(std::string_view name) {
  auto set = parse_capability(name, kAll);
  return set ? *set : 0;
}

std::string error_of(Result<CapabilitySet> result) { return result ? "no error" : result.error().text; }

}  // namespace

Test(capabilities, the_default_set_is_the_documented_one) {
  cr_assert(eq(u64, CapabilitySet{kDefaultCapabilities}, 0x800405fbu));
  cr_assert(names(kDefaultCapabilities) ==
            "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP");
  cr_assert(names(0) == "none");
}

Test(capabilities, a_name_is_known_in_any_case_with_and_without_its_prefix) {
  for (const char* name : {"NET_RAW", "net_raw", "CAP_NET_RAW", "cap_net_raw", "Cap_Net_Raw"})
    cr_assert(parsed(name) == bit(CAP_NET_RAW), "%s", name);
  cr_assert(parsed("ALL") == kAll);
  cr_assert(parsed("all") == kAll);
  cr_assert(parsed("CHECKPOINT_RESTORE") == bit(40));
}

Test(capabilities, every_capability_of_the_kernel_headers_has_a_name_that_leads_back_to_it) {
  for (unsigned n = 0; n <= CAP_LAST_CAP; ++n) cr_assert(parsed(names(bit(n))) == bit(n), "capability %u", n);
}

Test(capabilities, what_is_not_a_name_is_an_error) {
  using namespace std::string_view_literals;
  for (const std::string_view name : {""sv, "CAP_"sv, "12"sv, "NET-RAW"sv, "NET_RAWX"sv, "chown,kill"sv,
                                      "CAP_CAP_CHOWN"sv, "cap_chown=ep"sv, " CHOWN"sv, "CHOWN\0"sv, "CAP_ALL_"sv})
    cr_assert(parse_capability(name, kAll).has_value() == false, "'%.*s' was accepted", static_cast<int>(name.size()),
              name.data());
  cr_assert(error_of(parse_capability("RAWNET", kAll)) == "unknown capability 'RAWNET'");
}

Test(capabilities, a_capability_that_this_kernel_lacks_is_an_error) {
  cr_assert(error_of(parse_capability("BPF", all_capabilities(CAP_AUDIT_READ))) ==
            "this kernel has no capability 'BPF'");
}

Test(capabilities, dropping_comes_before_adding) {
  const auto changed = [](std::vector<std::string> add, std::vector<std::string> drop) {
    auto set = adjust(kDefaultCapabilities, add, drop, kAll);
    cr_assert(set.has_value());
    return *set;
  };
  cr_assert(changed({}, {}) == kDefaultCapabilities);
  cr_assert(changed({"NET_RAW"}, {"chown"}) == ((kDefaultCapabilities | bit(CAP_NET_RAW)) & ~bit(CAP_CHOWN)));
  cr_assert(changed({"CHOWN"}, {"ALL"}) == bit(CAP_CHOWN));
  cr_assert(changed({}, {"ALL"}) == 0);
  cr_assert(changed({"ALL"}, {}) == kAll);
  cr_assert(changed({"ALL"}, {"SYS_ADMIN"}) == (kAll & ~bit(CAP_SYS_ADMIN)));
  cr_assert(changed({"ALL", "KILL"}, {"SYS_ADMIN"}) == (kAll & ~bit(CAP_SYS_ADMIN)));
}

Test(capabilities, asking_for_two_opposite_things_is_an_error) {
  cr_assert(error_of(adjust(kDefaultCapabilities, {"KILL"}, {"CAP_KILL"}, kAll)) ==
            "capability KILL is both added and dropped");
  cr_assert(error_of(adjust(kDefaultCapabilities, {"ALL"}, {"ALL"}, kAll)) ==
            "capability ALL is both added and dropped");
  cr_assert(error_of(adjust(kDefaultCapabilities, {"NONSENSE"}, {}, kAll)) == "unknown capability 'NONSENSE'");
  cr_assert(error_of(adjust(kDefaultCapabilities, {}, {"NONSENSE"}, kAll)) == "unknown capability 'NONSENSE'");
}

Test(capabilities, nothing_is_ever_inheritable_or_ambient_and_only_root_starts_with_powers) {
  const CapabilitySet some = bit(CAP_KILL) | bit(CAP_CHOWN);
  const CapabilitySets root{some, some, some, 0, 0}, somebody{some, 0, 0, 0, 0};
  cr_assert(payload_sets(some, true) == root);
  cr_assert(payload_sets(some, false) == somebody);
}
