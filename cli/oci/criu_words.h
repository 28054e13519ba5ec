// What do the flags of `checkpoint` and `restore` mean to CRIU?
#pragma once
#include "cli/oci/verb.h"
#include "runtime/oci/criu.h"

namespace convox::oci {

// Where CRIU is and what it is to be told. `criu is not installed`; a missing --image-path is an error, and what it
// names is made where it is missing.
Result<Criu> criu_of(const Words& words);

// The flags alone, as CRIU spells them: most are the same. Pure.
Result<std::vector<std::string>> criu_options(const Words& words);

}  // namespace convox::oci
