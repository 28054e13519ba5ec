// Does a compiled program say what the policy says about arguments?
//
// libseccomp does not document in which order it tries the rules of one call, so what depends on that order is not
// believed: every program is asked, right after it was compiled, about all values at the edges of every row. Read next:
// bpf.h.
#pragma once
#include <string_view>

#include "runtime/security/seccomp_policy.h"

namespace convox::security {

Result<> verify_filter(std::string_view program, CapabilitySet granted);

}  // namespace convox::security
