#include "runtime/security/keeper_filter.h"

// The assembler looks for the files in the directories that -I names.
__asm__(
    ".pushsection .rodata.convox_keeper_filters, \"a\"\n"
    ".balign 8\n"
    "convox_keeper_filter: .incbin \"keeper_filter.bpf\"\n"
    "convox_keeper_filter_end:\n"
    ".balign 8\n"
    "convox_watcher_filter: .incbin \"watcher_filter.bpf\"\n"
    "convox_watcher_filter_end:\n"
    ".popsection\n");
extern "C" const char convox_keeper_filter[], convox_keeper_filter_end[];
extern "C" const char convox_watcher_filter[], convox_watcher_filter_end[];

namespace convox::security {

std::string_view keeper_filter() {
  return {convox_keeper_filter, static_cast<std::size_t>(convox_keeper_filter_end - convox_keeper_filter)};
}

std::string_view watcher_filter() {
  return {convox_watcher_filter, static_cast<std::size_t>(convox_watcher_filter_end - convox_watcher_filter)};
}

}  // namespace convox::security
