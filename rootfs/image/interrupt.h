// Has somebody asked us to stop? SIGINT, SIGTERM and SIGHUP only set a flag, so that a stopped import ends like a
// failed one: through the ordinary way out, which removes what it had begun.
#pragma once

namespace convox::rootfs {

void note_interrupts();
bool interrupted();

}  // namespace convox::rootfs
