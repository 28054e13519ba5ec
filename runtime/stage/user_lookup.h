// Who is "web", or "1000:50", inside this image?
//
// The image's own /etc/passwd and /etc/group answer, read by this small parser: the host's libc would load NSS modules,
// from the container (CVE-2019-14271). The files are hostile: any byte, any length. No heap, no allocation, bounded
// work; the same code is tested on the host (tests/unit/user_lookup.cc) and runs in the stage.  passwd(5), group(5)
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/base/sys.h"

namespace convox::stage {

inline constexpr std::size_t kMaxGroups = 256;
inline constexpr std::size_t kMaxHome = 1024;
inline constexpr std::size_t kMaxAccountFile = 1 << 20;  // 1 MiB, 65,536 lines, 4 KiB a line (CVE-2026-47262)
inline constexpr std::size_t kMaxAccountLines = 65536;
inline constexpr std::size_t kMaxAccountLine = 4096;
inline constexpr std::uint32_t kMaxId = 4294967294;  // (uid_t)-1 means "leave as it is": setresuid(2)

struct User {
  std::uint32_t uid = 0, gid = 0;
  std::uint32_t groups[kMaxGroups] = {};  // supplementary ones; the primary gid comes first
  std::uint32_t group_count = 0;
  std::string_view home;  // points into the passwd text; empty if passwd has none
};

// Reads digits only, 0 to kMaxId. Anything else is not a number: "1a", "-1", "+1", " 1", "" (CVE-2024-40635,
// CVE-2026-46680).
bool parse_id(std::string_view text, std::uint32_t* id) noexcept;

// Looks up `spec`: "", "uid", "name", "uid:gid", "name:group", ... A part of digits is a number and never a name. The
// empty spec is root. With a group given there are no supplementary groups; without one a passwd entry's gid and the
// groups that list its name count, and a bare number without an entry gets gid 0. ENOENT: no such user or group.
// EINVAL: a malformed spec or number. E2BIG: a file over its limits.
Errno look_up(std::string_view spec, std::string_view passwd, std::string_view group, User* user) noexcept;

}  // namespace convox::stage
