// Part of the build: writes the seccomp program for the default capabilities to standard output.
//
// It is the same compile_filter that convox runs for other sets, run early; runtime/security/seccomp.cc embeds the
// result. A name in the policy that no architecture knows fails here, and so the build.
#include <unistd.h>

#include <cstdio>

#include "runtime/base/fs.h"
#include "runtime/security/seccomp_compile.h"

int main() {
  using namespace convox;
  const Result<std::string> program = security::compile_filter(security::kDefaultCapabilities);
  if (!program) {
    std::fprintf(stderr, "seccomp_generator: %s\n", program.error().text.c_str());
    return 1;
  }
  return fs::write_all(STDOUT_FILENO, *program, "standard output") ? 0 : 1;
}
