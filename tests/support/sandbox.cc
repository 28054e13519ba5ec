#include "tests/support/sandbox.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/cat.h"
#include "tests/support/image.h"

namespace convox::test {
namespace {

// Absolute, because programs are started in the box.
std::string build_directory(const char* variable, const char* otherwise) {
  const char* named = getenv(variable);
  const std::string directory = named ? named : otherwise;
  char here[4096];
  return directory.starts_with('/') || !getcwd(here, sizeof here) ? directory : cat(here, "/", directory);
}

}  // namespace

Sandbox::Sandbox() {
  adopt_orphans();
  const char* below = getenv("CONVOX_TEST_DIR");
  path_ = cat(below ? below : "/var/tmp", "/convox-test-XXXXXX");
  if (!mkdtemp(path_.data())) cr_fatal("the harness cannot make %s", path_.c_str());
  chmod(path_.c_str(), 0755);
  make_directories(app());
  remember();
}

Sandbox::~Sandbox() { remove_tree(path_); }

std::string Sandbox::build() { return build_directory("CONVOX_BUILD", "build/release"); }
std::string Sandbox::faults_build() { return build_directory("CONVOX_FAULTS_BUILD", "build/faults"); }

void Sandbox::write(const std::string& name, std::string_view content, unsigned mode) {
  write_file(cat(app(), "/", name), content, mode);
}

void Sandbox::add_testbox_app() {
  write_layout(app() + "/image", testbox_image());
  write("convox.yml",
        "services:\n"
        "  web:\n    image: oci:image\n    command: sleep 60\n"
        "  worker:\n    image: oci:image\n    command: sleep 60\n");
  remember();
}

Program Sandbox::start(std::vector<std::string> argv, Start how) {
  how.argv = std::move(argv);
  std::vector<std::string> environment = {
      "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm", cat("CONVOX_ROOT=", lib()),
      cat("CONVOX_RUN=", state()),
  };
  // Leaks are looked for by a tracer, which convox does not admit (PR_SET_DUMPABLE); its memory ends with it anyway.
  environment.emplace_back("ASAN_OPTIONS=detect_leaks=0");
  environment.insert(environment.end(), how.environment.begin(), how.environment.end());
  how.environment = std::move(environment);
  if (how.directory.empty()) how.directory = app();
  return Program(how);
}

Program Sandbox::start_convox(std::vector<std::string> arguments, Start how) {
  const bool chosen = std::ranges::any_of(arguments, [](const auto& word) { return word.starts_with("--network"); });
  if (!network.empty() && !chosen && !arguments.empty() && arguments[0] == "run")
    arguments.insert(arguments.begin() + 1, {"--network", network});
  arguments.insert(arguments.begin(), build() + "/convox");
  return start(std::move(arguments), std::move(how));
}

Ran Sandbox::run(std::vector<std::string> argv, Start how) { return start(std::move(argv), std::move(how)).wait(); }
Ran Sandbox::convox(std::vector<std::string> arguments, Start how) {
  return start_convox(std::move(arguments), std::move(how)).wait();
}

}  // namespace convox::test
