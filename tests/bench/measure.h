// What the measuring programs share: a clock, and an end to everything at the first failure.
#pragma once
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

[[noreturn]] inline void die(const char* deed) {
  fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, deed, strerror(errno));
  _exit(99);
}

inline long must(long result, const char* deed) {
  if (result < 0) die(deed);
  return result;
}

// Microseconds.
inline double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
}
