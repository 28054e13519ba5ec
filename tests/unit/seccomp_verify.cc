// Is a program that disagrees with the policy about an argument found out?
#include "runtime/security/seccomp_verify.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstring>

#include "runtime/security/seccomp.h"

using namespace convox;
using namespace convox::security;

namespace {

bool verified(std::string_view program, CapabilitySet granted) { return verify_filter(program, granted).has_value(); }

// The embedded program with `change` applied to those instructions for which it says that it did.
template <class Change>
std::string changed(Change change) {
  std::string program(default_filter());
  int changes = 0;
  for (std::size_t at = 0; at < program.size(); at += sizeof(sock_filter)) {
    sock_filter it{};
    std::memcpy(&it, program.data() + at, sizeof it);
    changes += change(it);
    std::memcpy(program.data() + at, &it, sizeof it);
  }
  cr_assert(gt(int, int{changes}, 0));
  return program;
}

}  // namespace

Test(seccomp_verify, the_embedded_program_holds_and_only_for_its_capabilities) {
  cr_assert(verified(default_filter(), kDefaultCapabilities));
  cr_assert(verified(default_filter(), kDefaultCapabilities | bit(CAP_SYS_ADMIN)) == false);
  cr_assert(verified(default_filter(), kDefaultCapabilities | bit(CAP_AUDIT_WRITE)) == false);
}

Test(seccomp_verify, a_constant_changed_anywhere_in_an_argument_rule_is_found) {
  for (const std::uint32_t constant : {0x5412u, 0x541cu, 0x7e020000u, 0x7e020080u, 0xfffdfff7u})
    for (int one = 0; one < 32; ++one) {
      const std::string program = changed([&](sock_filter& it) {
        if (it.code == (BPF_RET | BPF_K) || it.k != constant) return false;
        it.k ^= 1u << one;
        return true;
      });
      cr_assert(verified(program, kDefaultCapabilities) == false, "%#x with bit %d changed", constant, one);
    }
}

Test(seccomp_verify, a_program_that_allows_or_refuses_everything_is_found) {
  for (const std::uint32_t answer : {SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | 1u, SECCOMP_RET_KILL_PROCESS}) {
    const sock_filter only{BPF_RET | BPF_K, 0, 0, answer};
    cr_assert(verified({reinterpret_cast<const char*>(&only), sizeof only}, kDefaultCapabilities) == false);
  }
  cr_assert(verified("", kDefaultCapabilities) == false);
}
