// How does a service manager hear that a container's payload is ready?
//
// The payload has a socket of its own, for the manager's must not be seen inside; what is said there is READY=1 at
// most, and we pass it on, with the number of the container's first process.  sd_notify(3)
#pragma once
#include <string>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::oci {

// ROOT/<id>/notify/notify.sock, in place of an old one. `container`: ROOT/<id>.
Result<UniqueFd> listen_for_ready(int container);

// Until the payload is ready, or `process` ends; then says so to `manager`, an address as in NOTIFY_SOCKET.
Result<> relay_ready(const UniqueFd& listening, const std::string& manager, const UniqueFd& process, int pid);

}  // namespace convox::oci
