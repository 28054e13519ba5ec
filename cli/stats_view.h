// What does `convox stats` show at a moment, and what do keys change about it?
//
// Pure: processes and a view make a frame, bytes from the terminal change the view. A frame overwrites the one before
// it line by line, clearing behind each, and never the whole screen: so nothing flickers.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/process_view.h"
#include "runtime/terminal.h"

namespace convox::cli {

struct StatsView {
  enum class Order { kCpu, kMemory, kPids, kIo, kName };
  Order order = Order::kCpu;
  std::size_t first = 0;  // the process in the uppermost row
  runtime::TerminalSize size{24, 80};
  std::string app;  // empty: all
};

// Most first, or by name.
void sort(std::vector<Process>& processes, StatsView::Order order);

// The text that makes the terminal show it. `view.first` is brought within what there is.
std::string frame(StatsView& view, std::span<const Process> processes);

// Takes the keys off `input`; what begins like a key and has not all arrived stays. True: it is time to quit.
bool take_keys(std::string& input, StatsView& view);

}  // namespace convox::cli
