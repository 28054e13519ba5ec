// Which ids of the host are those of a user namespace?
//
// user_namespaces(7), "User and group ID mappings"
#pragma once
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/oci/config.h"

namespace convox::oci {

// Of the namespace that the process `pid` is in, once.
Result<> write_id_maps(int pid, const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids);

// "0 100000 65536\n"
std::string map_text(const std::vector<IdMapping>& mappings);

// What id 0 of the process in `proc` (/proc/PID) is here; `file` is uid_map or gid_map. 65534 if it has none.
Result<std::uint32_t> root_of_map(int proc, const char* file);

// A user namespace in which nobody is: for idmapped mounts.
Result<UniqueFd> mapped_user_namespace(const std::vector<IdMapping>& uids, const std::vector<IdMapping>& gids);

}  // namespace convox::oci
