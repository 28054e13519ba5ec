// Part of the build: writes one of the seccomp programs that convox carries to standard output.
//
//   seccomp_generator default   for a payload with the default capabilities: runtime/security/seccomp.cc embeds it
//   seccomp_generator keeper    and watcher: runtime/security/keeper_filter.cc
//
// The first is the same compile_filter that convox runs for other sets, run early. A name in a policy that no
// architecture knows fails here, and so the build.
#include <unistd.h>

#include <cstdio>

#include "runtime/base/fs.h"
#include "runtime/security/generate/keeper_policy.h"
#include "runtime/security/seccomp_compile.h"

namespace {

using namespace convox;

Result<> generate(std::string_view which) {
  if (which != "default") return security::write_keeper_filter(which, STDOUT_FILENO);
  const std::string program = TRY(security::compile_filter(security::kDefaultCapabilities));
  return fs::write_all(STDOUT_FILENO, program, "standard output");
}

}  // namespace

int main(int argc, char** argv) {
  const Result<> written = generate(argc == 2 ? argv[1] : "default");
  if (!written) std::fprintf(stderr, "seccomp_generator: %s\n", written.error().text.c_str());
  return written ? 0 : 1;
}
