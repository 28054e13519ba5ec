// When is a compiled filter used again, and when not believed?
#include "runtime/security/seccomp_cache.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

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

// What convox compiles for its own policy has a key, too; it stands between the head and the program.
std::string key_in(const std::string& content, const std::string& program) {
  return content.substr(16, content.size() - 16 - program.size());
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
  const std::string key = key_in(written(cache, name), *first);
  cr_assert(cache_name(key) == name);
  cr_assert(cache_program(cache.fd(), key, default_filter()).has_value());
  auto second = filter_program(granted | bit(CAP_NET_RAW), cache.fd());  // no call depends on NET_RAW
  cr_assert(second.has_value() && *second == default_filter());
}

Test(seccomp_cache, the_default_filter_needs_no_cache) {
  cr_assert(filter_program(kDefaultCapabilities, -1).has_value());
  cr_assert(filter_program(kDefaultCapabilities | bit(CAP_NET_RAW), -1).has_value());
  auto compiled = filter_program(kDefaultCapabilities | bit(CAP_SYS_TIME), -1);
  cr_assert(compiled.has_value(), "a cache that cannot be used costs time, not the start");
}

Test(seccomp_cache, a_program_belongs_to_its_key_alone_even_under_the_same_name) {
  const TemporaryDirectory cache;
  const std::string program(default_filter());
  const auto found = [&](std::string_view key) { return cached_program(cache.fd(), key).has_value(); };
  cr_assert(cache_program(cache.fd(), "one", program).has_value());
  cr_assert(found("one") && !found("two") && !found("") && !found("one "));
  // As if the hashes of both keys were equal.
  overwrite(cache, cache_name("two"), written(cache, cache_name("one")));
  cr_assert(found("two") == false, "another key's program was believed");
  // A key is not its beginning either, with the program's first bytes taken for the rest.
  overwrite(cache, cache_name(cat("one", program.substr(0, 8))), written(cache, cache_name("one")));
  cr_assert(found(cat("one", program.substr(0, 8))) == false);
  cr_assert(cached_program(-1, "one").has_value() == false);
  cr_assert(cache_program(-1, "one", program).has_value(), "without a cache nothing is kept, and that is no error");
}

Test(seccomp_cache, beyond_its_size_the_oldest_go) {
  const TemporaryDirectory cache;
  const std::string program(default_filter());
  const auto aged = [&](std::size_t number) {  // so many seconds after the first
    const std::string name = cache_name(cat("key ", number));
    const timespec times[2] = {{1000, 0}, {1000 + static_cast<long>(number), 0}};
    cr_assert(0 == ::utimensat(cache.fd(), name.c_str(), times, 0));
  };
  for (std::size_t number = 0; number < kCachedPrograms; ++number) {
    cr_assert(cache_program(cache.fd(), cat("key ", number), program).has_value());
    aged(number);
  }
  cr_assert(eq(sz, fs::list(cache.fd())->size(), kCachedPrograms + 0));
  cr_assert(cached_program(cache.fd(), "key 0").has_value());
  for (int leftover = 0; leftover < 3; ++leftover) {  // of a writer that was killed
    const std::string name = cat(".tmp-", leftover);
    const UniqueFd file(sys::openat(cache.fd(), name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    const timespec times[2] = {{10, 0}, {10, 0}};
    cr_assert(0 == ::utimensat(cache.fd(), name.c_str(), times, 0));
  }
  cr_assert(cache_program(cache.fd(), "one more", program).has_value());
  const auto names = *fs::list(cache.fd());
  cr_assert(eq(sz, names.size(), kCachedPrograms + 0));
  cr_assert(std::ranges::find(names, ".tmp-0") == names.end());
  cr_assert(cached_program(cache.fd(), "key 0").has_value() == false, "the oldest");
  cr_assert(cached_program(cache.fd(), "key 1").has_value());
  cr_assert(cached_program(cache.fd(), "one more").has_value());
}

Test(seccomp_cache, a_cached_file_that_is_not_exactly_ours_is_compiled_again) {
  const TemporaryDirectory cache;
  const CapabilitySet granted = kDefaultCapabilities | bit(CAP_SYS_TIME);
  const std::string program = *filter_program(granted, cache.fd());
  const std::string name = (*fs::list(cache.fd()))[0];
  const std::string good = written(cache, name);
  const std::string key = key_in(good, program);
  const auto rejected = [&](const char* what) {
    cr_assert(cached_program(cache.fd(), key).has_value() == false, "%s was believed", what);
    auto again = filter_program(granted, cache.fd());
    cr_assert(again.has_value() && *again == program, "%s", what);
  };
  cr_assert(cached_program(cache.fd(), key).has_value());

  const std::size_t edges[] = {0, 7, 8, 15, 16, key.size() + 15, key.size() + 16, good.size() / 2, good.size() - 1};
  for (const std::size_t at : edges) {
    std::string corrupt = good;
    corrupt[at] = static_cast<char>(corrupt[at] ^ 1);
    overwrite(cache, name, corrupt);
    rejected("a changed byte");
    cr_assert(written(cache, name) == good, "the good file is back");
  }
  for (const std::size_t size : edges) {
    overwrite(cache, name, good.substr(0, size));
    rejected("a truncated file");
  }
  overwrite(cache, name, good + good.substr(good.size() - 8));
  rejected("a longer file");
  overwrite(cache, name, std::string(1 << 20, 'x'));
  rejected("a huge file");
  cr_assert(cache_program(cache.fd(), key, "\6\0\0\0\0\0\1").has_value());
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
    cr_assert(cached_program(cache.fd(), key).has_value());
    cr_assert(0 == ::fchownat(cache.fd(), name.c_str(), 65534, 0, 0));
    rejected("somebody else's file");
  }
}
