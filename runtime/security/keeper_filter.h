// What may a keeper and a watcher still do, if one of them should ever be taken over?
//
// Their programs are constant, made when convox is built (generate/keeper_policy.cc), and lie in convox's read-only
// data: arrays of struct sock_filter. Any call that is not listed there ends the process.
#pragma once
#include <string_view>

namespace convox::security {

std::string_view keeper_filter();
std::string_view watcher_filter();

}  // namespace convox::security
