// How do a keeper's plan, its filter and a minder's texts become the bytes of one sealed memfd?
//
// The reader is runtime/keeper/main.cc, which believes no offset. Read next: keeper/plan.h.
#pragma once
#include <string>
#include <vector>

#include "runtime/keeper/plan.h"
#include "runtime/log_store.h"

namespace convox::runtime {

// The block for `plan`: its size, its filter (of its mode; a minder has none) and where its texts lie are filled in
// here. `argv` and `environment` are a minder's only.
std::string print(keeper::Plan plan, const std::vector<std::string>& argv = {},
                  const std::vector<std::string>& environment = {});

// The keeper goes on where `tail` ends.
void go_on(keeper::Keep& keep, const LogTail& tail);

}  // namespace convox::runtime
