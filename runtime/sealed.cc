#include "runtime/sealed.h"

#include <fcntl.h>
#include <linux/memfd.h>

#include "runtime/base/fs.h"

namespace convox::runtime {
namespace {

#ifndef MFD_EXEC
constexpr unsigned MFD_EXEC = 0x10;  // Linux 6.3
#endif
#ifndef F_SEAL_EXEC
constexpr int F_SEAL_EXEC = 0x20;  // Linux 6.3: the execute bits stay as they are
#endif
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

}  // namespace

Result<UniqueFd> sealed(const char* name, std::string_view bytes, bool program, bool newer) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (program && newer ? MFD_EXEC : 0);
  const long made = sys::memfd_create(name, flags);
  if (made == -EACCES)
    return os_error("memfd_create", name, Errno(made)).advise("sysctl vm.memfd_noexec=1 allows it to those who ask");
  UniqueFd file(TRY(check(made, "memfd_create", name)));
  TRY(fs::write_all(file.get(), bytes, name));
  if (program) TRY(check(sys::fchmod(file.get(), 0111), "fchmod", name));
  const int seals = kSeals | (program && newer ? F_SEAL_EXEC : 0);
  TRY(check(sys::fcntl(file.get(), F_ADD_SEALS, seals), "fcntl", cat("F_ADD_SEALS ", name)));
  return file;
}

}  // namespace convox::runtime
