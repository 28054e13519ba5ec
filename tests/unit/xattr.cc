// Which extended attributes of an archive reach the disk.
#include "rootfs/image/xattr.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <initializer_list>

using convox::rootfs::admit;

namespace {

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}

enum class Outcome { kKept, kDropped, kRefused };
Outcome outcome(const std::string& name, const std::string& value) {
  const auto admitted = admit({name, value});
  return !admitted ? Outcome::kRefused : *admitted ? Outcome::kKept : Outcome::kDropped;
}

const std::string kRevision2 = bytes({1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
std::string revision3(int root) { return bytes({1, 0, 0, 3}) + kRevision2.substr(4) + bytes({root, 0, 0, 0}); }

}  // namespace

Test(xattr, is_kept_dropped_or_refused_by_its_name_and_value) {
  const std::string acl = bytes({2, 0, 0, 0, 2, 0, 4, 0});
  const struct {
    const char* name;
    std::string value;
    Outcome expected;
  } cases[] = {
      {"user.note", "x", Outcome::kKept},
      {"user.", "x", Outcome::kDropped},
      {"user.overlay.opaque", "y", Outcome::kDropped},
      {"user.overlayfs", "y", Outcome::kKept},
      {"trusted.overlay.opaque", "y", Outcome::kDropped},
      {"trusted.overlay.overlay.opaque", "y", Outcome::kDropped},
      {"trusted.note", "x", Outcome::kDropped},
      {"security.selinux", "x", Outcome::kDropped},
      {"security.ima", "x", Outcome::kDropped},
      {"system.nfs4_acl", "x", Outcome::kDropped},
      {"note", "x", Outcome::kDropped},
      {"security.capability", kRevision2, Outcome::kKept},
      {"security.capability", kRevision2 + "x", Outcome::kRefused},
      {"security.capability", kRevision2.substr(0, 12), Outcome::kRefused},
      {"security.capability", bytes({0, 0, 0, 1}) + kRevision2.substr(4, 8), Outcome::kRefused},
      {"security.capability", revision3(9), Outcome::kRefused},
      {"security.capability", "", Outcome::kRefused},
      {"system.posix_acl_access", acl + bytes({255, 255, 0, 0}), Outcome::kKept},
      {"system.posix_acl_access", acl + bytes({0, 0, 1, 0}), Outcome::kRefused},
      {"system.posix_acl_default", acl, Outcome::kRefused},
  };
  for (const auto& one : cases) cr_expect(outcome(one.name, one.value) == one.expected, "%s", one.name);
}

Test(xattr, of_the_namespace_of_root_becomes_revision_2) {
  const auto admitted = admit({"security.capability", revision3(0)});
  cr_assert(admitted && *admitted);
  cr_assert(admitted->value().value == kRevision2);
}
