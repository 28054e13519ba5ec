#include "rootfs/image/xattr.h"

#include <linux/capability.h>

#include <cstdint>
#include <string_view>

namespace convox::rootfs {
namespace {

constexpr std::size_t kName = 255;  // XATTR_NAME_MAX
constexpr unsigned kIds = 65536;

// Both formats are little-endian on every machine.
std::uint32_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < size; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return value;
}

// struct vfs_cap_data: a magic with the revision in its upper byte, then permitted and inheritable twice. Revision 3
// adds the host id of the user namespace's root for whom it counts. Ours to say, not the image's: 0 is what revision 2
// means.
Result<std::optional<Xattr>> admit_capability(Xattr xattr) {
  if (xattr.value.size() < 4) return invalid("security.capability: too short");
  const std::uint32_t magic = number(xattr.value, 0, 4);
  const std::uint32_t revision = magic & VFS_CAP_REVISION_MASK;
  if (revision == VFS_CAP_REVISION_3 && xattr.value.size() == XATTR_CAPS_SZ_3) {
    if (number(xattr.value, 20, 4) != 0) return invalid("security.capability: counts for another user namespace only");
    xattr.value.resize(XATTR_CAPS_SZ_2);
    xattr.value[3] = static_cast<char>(VFS_CAP_REVISION_2 >> 24);
  } else if (revision != VFS_CAP_REVISION_2 || xattr.value.size() != XATTR_CAPS_SZ_2) {
    return invalid("security.capability: neither revision 2 nor 3");
  }
  return std::optional<Xattr>(std::move(xattr));
}

// A header of 4 bytes, then {tag, permissions, id} of 2, 2 and 4 bytes.  linux/posix_acl_xattr.h
Result<std::optional<Xattr>> admit_acl(Xattr xattr) {
  constexpr std::uint32_t kUser = 0x02, kGroup = 0x08;
  if (xattr.value.size() < 4 || (xattr.value.size() - 4) % 8 != 0 || number(xattr.value, 0, 4) != 2)
    return invalid(cat(xattr.name, ": not an access control list"));
  for (std::size_t at = 4; at < xattr.value.size(); at += 8) {
    const std::uint32_t tag = number(xattr.value, at, 2);
    if ((tag == kUser || tag == kGroup) && number(xattr.value, at + 4, 4) >= kIds)
      return invalid(cat(xattr.name, ": names an id that is not below ", kIds));
  }
  return std::optional<Xattr>(std::move(xattr));
}

}  // namespace

Result<std::optional<Xattr>> admit(Xattr xattr) {
  const std::string_view name = xattr.name;
  if (name.size() > kName) return invalid("an extended attribute's name is too long");
  if (name == "security.capability") return admit_capability(std::move(xattr));
  if (name == "system.posix_acl_access" || name == "system.posix_acl_default") return admit_acl(std::move(xattr));
  if (name.starts_with("user.") && name.size() > 5 && !name.starts_with("user.overlay."))
    return std::optional<Xattr>(std::move(xattr));
  return std::optional<Xattr>();
}

}  // namespace convox::rootfs
