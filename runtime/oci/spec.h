// Which configuration does somebody start from who has none?
#pragma once
#include <string>

namespace convox::oci {

// A shell on a terminal in `rootfs`, with a service's few rights; `rootless`: one that the calling user may run, in a
// user namespace in which root is this user. With a newline at its end.
std::string spec_json(bool rootless);

}  // namespace convox::oci
