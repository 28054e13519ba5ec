#include "runtime/stage_image.h"

// The build gives the directory of stage.elf with -I.
__asm__(
    ".section .rodata\n"
    ".balign 8\n"
    "convox_stage_image: .incbin \"stage.elf\"\n"
    "convox_stage_image_end:\n"
    ".previous\n");
extern "C" const char convox_stage_image[], convox_stage_image_end[];

namespace convox::runtime {

std::string_view stage_image() {
  return {convox_stage_image, static_cast<std::size_t>(convox_stage_image_end - convox_stage_image)};
}

}  // namespace convox::runtime
