// How does the policy become a program for the kernel?
//
// libseccomp writes it: a binary tree over the call numbers, so that each call is decided after some nine comparisons.
// What libseccomp does not promise is an order between rules of the same call, and where two overlap the wrong one may
// win. So the ordered rows of kArguments are first cut into rules that do not overlap (`disjoint`). Man pages:
// seccomp_rule_add(3), seccomp_export_bpf(3). Read next: seccomp_cache.h.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/security/seccomp_policy.h"

namespace convox::security {

// A set of argument values: of argument n's low half the bits in mask[n] are known, and they are value[n].
struct Cube {
  std::array<std::uint32_t, 6> mask{};
  std::array<std::uint32_t, 6> value{};
};
struct Rule {
  Cube cube;
  Answer answer;
};

// `rows`, read in order with the first match answering, as rules of which exactly one matches any arguments.
// The last row must match always.
std::vector<Rule> disjoint(std::span<const ArgumentRow> rows, CapabilitySet granted);

// The program for `granted`, an array of struct sock_filter. It allocates a lot and takes milliseconds.
Result<std::string> compile_filter(CapabilitySet granted);

}  // namespace convox::security
