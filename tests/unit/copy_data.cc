// What of one file comes to be in another?
#include "runtime/copy_data.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

using namespace convox;
using namespace convox::runtime;

namespace {
struct File {
  int fd = memfd_create("file", 0);
  ~File() { close(fd); }
  [[nodiscard]] std::string text() const {
    std::string text(4096, '\0');
    const long got = pread(fd, text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
  }
};
const std::function<Result<>()> kGoOn = [] { return ok(); };
}  // namespace

Test(copy_data, takes_no_more_than_the_file_had_when_it_was_looked_at) {
  const File from;
  cr_assert(write(from.fd, "abcdef", 6) == 6);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{3}, std::size_t{6}}) {  // an empty one may have grown since
    const File to;
    cr_assert(copy_data(from.fd, to.fd, size, kGoOn, "file").has_value());
    cr_expect(to.text() == std::string("abcdef").substr(0, size), "%zu: %s", size, to.text().c_str());
  }
}

Test(copy_data, takes_all_of_a_file_that_the_kernel_makes_up) {
  const int status = open("/proc/self/status", O_RDONLY);
  const File to;
  cr_assert(copy_data(status, to.fd, 0, kGoOn, "status").has_value());
  cr_expect(to.text().starts_with("Name:"));
  close(status);
}
