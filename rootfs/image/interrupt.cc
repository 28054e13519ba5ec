#include "rootfs/image/interrupt.h"

#include <csignal>
#include <initializer_list>

namespace convox::rootfs {
namespace {

volatile std::sig_atomic_t stop = 0;
void on_signal(int) { stop = 1; }

}  // namespace

void note_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

bool interrupted() { return stop != 0; }

}  // namespace convox::rootfs
