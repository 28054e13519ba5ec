// How does a test wait, as a person would, until something is so?
#pragma once
#include <stdlib.h>
#include <time.h>

namespace convox::test {

// How many times slower than a processor the machine is: the VM emulates one.
inline int slowness() {
  const char* times = getenv("CONVOX_TEST_SLOWNESS");
  return times ? atoi(times) : 1;
}

inline void sleep_milliseconds(long time) {
  const timespec span{time / 1000, time % 1000 * 1'000'000};
  nanosleep(&span, nullptr);
}

// Looks fifty times a second, for ten seconds.
template <class Condition>
bool comes_true(Condition condition) {
  for (int moment = 0; moment < 500; ++moment) {
    if (condition()) return true;
    sleep_milliseconds(20);
  }
  return condition();
}

}  // namespace convox::test
