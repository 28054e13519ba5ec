// When is a compiled filter used again, and when not believed?
#include "runtime/security/seccomp_cache.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/fs.h"
#include "runtime/security/seccomp.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::security;

namespace {

std::string written(const TemporaryDirectory& cache, const std::string& name) {
  auto content = fs::read(cache.fd(), name, 65536);
  cr_assert(content.has_value());
  return *content;
}

void overwrite(const TemporaryDirectory& cache, const std::string& name, std::string_view content,
               unsigned mode = 0600) {
  cr_assert(fs::replace(cache.fd(), name, content, mode, fs::Durable::kNo).has_value());
}

}  // namespace

Test(seccomp_cache, a_compiled_filter_is_kept_and_used_again) {
  const TemporaryDirectory cache;
  const CapabilitySet granted = kDefaultCapabilities | bit(CAP_SYS_TIME);
  auto first = filter_program(granted, cache.fd());
  cr_assert(first.has_value());
  const auto files = fs::list(cache.fd());
  cr_assert(eq(sz, (*files).size(), 1u));
  const std::string name = (*files)[0];
  struct stat st {};
  cr_assert(0 == ::fstatat(cache.fd(), name.c_str(), &st, 0) && (st.st_mode & 07777) == 0600);

  // Another good program put in its place comes back, so it is the file that is used.
  cr_assert(cache_filter(cache.fd(), name, default_filter()).has_value());
  auto second = filter_program(granted | bit(CAP_NET_RAW), cache.fd());  // no call depends on NET_RAW
  cr_assert(second.has_value() && *second == default_filter());
}

Test(seccomp_cache, the_default_filter_needs_no_cache) {
  cr_assert(filter_program(kDefaultCapabilities, -1).has_value());
  cr_assert(filter_program(kDefaultCapabilities | bit(CAP_NET_RAW), -1).has_value());
  auto compiled = filter_program(kDefaultCapabilities | bit(CAP_SYS_TIME), -1);
  cr_assert(compiled.has_value(), "a cache that cannot be used costs time, not the start");
}

Test(seccomp_cache, a_cached_file_that_is_not_exactly_ours_is_compiled_again) {
  const TemporaryDirectory cache;
  const CapabilitySet granted = kDefaultCapabilities | bit(CAP_SYS_TIME);
  const std::string program = *filter_program(granted, cache.fd());
  const std::string name = (*fs::list(cache.fd()))[0];
  const std::string good = written(cache, name);
  const auto rejected = [&](const char* what) {
    cr_assert(cached_filter(cache.fd(), name).has_value() == false, "%s was believed", what);
    auto again = filter_program(granted, cache.fd());
    cr_assert(again.has_value() && *again == program, "%s", what);
  };
  cr_assert(cached_filter(cache.fd(), name).has_value());

  for (const std::size_t at : {std::size_t{0}, std::size_t{7}, std::size_t{8}, good.size() / 2, good.size() - 1}) {
    std::string corrupt = good;
    corrupt[at] = static_cast<char>(corrupt[at] ^ 1);
    overwrite(cache, name, corrupt);
    rejected("a changed byte");
    cr_assert(written(cache, name) == good, "the good file is back");
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{8}, good.size() - 8, good.size() - 1}) {
    overwrite(cache, name, good.substr(0, size));
    rejected("a truncated file");
  }
  overwrite(cache, name, good + good.substr(8, 8));
  rejected("a longer file");
  overwrite(cache, name, std::string(1 << 20, 'x'));
  rejected("a huge file");
  cr_assert(cache_filter(cache.fd(), name, "\6\0\0\0\0\0\1").has_value());
  rejected("a program of seven bytes under a good checksum");
  overwrite(cache, name, good, 0640);
  rejected("a file for the group");
  cr_assert(0 == ::linkat(cache.fd(), name.c_str(), cache.fd(), "second", 0));
  rejected("a file with a second name");
  cr_assert(0 == ::unlinkat(cache.fd(), name.c_str(), 0));
  cr_assert(0 == ::symlinkat("second", cache.fd(), name.c_str()));
  rejected("a symbolic link");
  cr_assert(0 == ::unlinkat(cache.fd(), name.c_str(), 0));
  cr_assert(0 == ::mkfifoat(cache.fd(), name.c_str(), 0600));
  rejected("a FIFO");
  if (::geteuid() == 0) {
    cr_assert(cached_filter(cache.fd(), name).has_value());
    cr_assert(0 == ::fchownat(cache.fd(), name.c_str(), 65534, 0, 0));
    rejected("somebody else's file");
  }
}
