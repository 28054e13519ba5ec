// Where is a program of ours that helps this one?
#pragma once
#include <string>
#include <string_view>

namespace convox::runtime {

// Beside the running program in the build tree, else where `make install` puts helpers. In this order, because a build
// tree must not use the helper of an older convox that is installed; and whoever can write beside convox could replace
// convox itself.
std::string helper(std::string_view program);

}  // namespace convox::runtime
