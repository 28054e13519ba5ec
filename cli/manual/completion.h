// What does a shell have to know to complete the words of a convox command?
//
// The tables of commands, options and kinds of words, as shell code; completion.bash and completion.zsh, which are put
// behind them, use them, and ask convox for names.
#pragma once
#include <string>

namespace convox::manual {

std::string bash_tables();
std::string zsh_tables();

}  // namespace convox::manual
