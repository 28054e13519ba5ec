// Which commands are there? The table, and how a command line finds its row.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "cli/command.h"

namespace convox::cli {

std::span<const Command* const> commands();  // sorted by name

// Which command do the first words name? The longest that is one wins: `ps info` before `ps`.
struct Found {
  const Command* command = nullptr;  // null: none
  std::size_t words = 0;             // how many of them its name took
};
Found find_command(std::span<const std::string> words);

// Convox has commands that drive clusters, clouds or its own web service. Which of them do the words name? Empty: none.
std::string cloud_command(std::span<const std::string> words);

}  // namespace convox::cli
