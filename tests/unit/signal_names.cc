#include "cli/signal_names.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>

using namespace convox;

Test(signal_names, mean_the_kernels_numbers) {
  const struct {
    const char* name;
    int number;
  } cases[] = {{"SIGTERM", SIGTERM}, {"TERM", SIGTERM}, {"15", 15},         {"SIGUSR1", SIGUSR1},
               {"QUIT", SIGQUIT},    {"64", 64},        {"SIGRTMIN", 34},   {"SIGRTMIN+3", 37},
               {"RTMAX", 64},        {"RTMAX-1", 63},   {"SIGRTMIN+30", 64}};
  for (const auto& [name, number] : cases) {
    const auto signal = cli::parse_signal(name);
    cr_expect(signal && *signal == number, "%s", name);
  }
}

Test(signal_names, nothing_else_is_a_signal) {
  for (const char* name : {"", "SIG", "0", "65", "-9", "+9", "9 ", "SIGNONSENSE", "SIGRTMIN+31", "SIGRTMIN-1",
                           "RTMAX+1", "RTMIN+", "RTMIN+-1", "SIGSIGTERM", "SIG15", "99999999999999999999"})
    cr_expect(not(cli::parse_signal(name).has_value()), "%s", name);
}
