#include "runtime/keeper_image.h"

// The build gives the directory of keeper.elf with -I.
__asm__(
    ".section .rodata\n"
    ".balign 8\n"
    "convox_keeper_image: .incbin \"keeper.elf\"\n"
    "convox_keeper_image_end:\n"
    ".previous\n");
extern "C" const char convox_keeper_image[], convox_keeper_image_end[];

namespace convox::runtime {

std::string_view keeper_image() {
  return {convox_keeper_image, static_cast<std::size_t>(convox_keeper_image_end - convox_keeper_image)};
}

}  // namespace convox::runtime
