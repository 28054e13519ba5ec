// With which rights does the import run? It parses what strangers wrote, so it keeps what unpacking needs and no more,
// and can get nothing back by executing a file (no_new_privs).
#pragma once
#include "runtime/base/result.h"

namespace convox::rootfs {

Result<> confine();

}  // namespace convox::rootfs
