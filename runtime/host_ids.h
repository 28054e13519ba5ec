// Which ranges of host ids may a container's user namespace have?
//
// Containers share no id: a range of 65,536 each, from 524288 on. Ranges that /etc/subuid or /etc/subgid give to a user
// are that user's.  subuid(5), user_namespaces(7)
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::runtime {

inline constexpr std::uint32_t kFirstHostId = 524288;
inline constexpr std::uint32_t kIdsEach = 65536;

struct IdRange {
  std::uint32_t first = 0, count = 0;
};

inline constexpr std::uint32_t kMostLeases = 65000;  // 524288 + n * 65536 stays below 2^32 - 65536

bool overlaps(const std::vector<IdRange>& ranges, IdRange range);
// Lines `name:first:count`; others say nothing.
std::vector<IdRange> parse_subordinate_ids(std::string_view text);
// Those of /etc/subuid and /etc/subgid; a file that is not there gives nothing away.
Result<std::vector<IdRange>> read_subordinate_ids();

}  // namespace convox::runtime
