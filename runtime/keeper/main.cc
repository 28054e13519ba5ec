// Who stays with a detached container when convox has ended?
//
// This program: small, static, without heap, exceptions or locks, executed from a sealed memfd. `run --detach` launches
// the container and then executes it in its own place, so it is the payload's parent. What it shall do stands in a plan
// (plan.h), and every descriptor for it is open.
//
// argv: the program's name, the number of the plan's descriptor. Read next: keep.cc.
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/stat.h>
#include <sys/mman.h>

#include "runtime/keeper/keeper.h"

namespace convox::keeper {
namespace {

constexpr int kNotOurs = 126;  // started by somebody else
constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

int parse_descriptor(const char* text) noexcept {
  int number = 0;
  if (*text == '\0') return -1;
  for (; *text != '\0'; ++text) {
    if (*text < '0' || *text > '9' || number > 100'000) return -1;
    number = number * 10 + (*text - '0');
  }
  return number;
}

Errno live(Block& block) noexcept {
  // The launcher was to be told if its convox died before the container was up. A keeper has nobody above it.  prctl(2)
  if (const long rc = sys::prctl(PR_SET_PDEATHSIG, 0); rc < 0) return Errno(rc);
  // Execve made us dumpable again; our unreadable executable protects us too.  ptrace(2)
  if (const long rc = sys::prctl(PR_SET_DUMPABLE, 0); rc < 0) return Errno(rc);
  // Else it would be named after the number of the memory file.  prctl(2)
  sys::prctl(PR_SET_NAME, reinterpret_cast<unsigned long>("convox-keeper"));
  if (const long rc = sys::chdir("/"); rc < 0) return Errno(rc);  // no file system is kept busy
  switch (block.plan().mode) {
    case Mode::kKeep:
      return keep(block);
    case Mode::kMind:
      return mind(block);
    case Mode::kWatch:
      return watch(block);
  }
  return Errno(-EINVAL);
}

}  // namespace

Errno Block::map(int fd) noexcept {
  const long seals = sys::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return Errno(seals);
  if ((seals & kSeals) != kSeals) return Errno(-EPERM);
  struct statx st {};
  if (const long rc = sys::statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &st); rc < 0) return Errno(rc);
  if (st.stx_size < sizeof(Plan)) return Errno(-EINVAL);
  const long at = sys::mmap(nullptr, st.stx_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (at < 0 && at > -4096) return Errno(at);
  bytes_ = reinterpret_cast<const char*>(at);
  size_ = st.stx_size;
  if (plan().magic != kMagic || plan().version != kVersion || plan().size != size_) return Errno(-EINVAL);
  return {};
}

void Block::unmap() noexcept { sys::munmap(const_cast<char*>(bytes_), size_); }

std::string_view Block::bytes(std::uint32_t at, std::uint32_t size) const noexcept {
  if (at > size_ || size > size_ - at) return {};
  return {bytes_ + at, size};
}

}  // namespace convox::keeper

int main(int argc, char** argv) {
#ifdef CONVOX_FAULTS
  convox::faults::start(argv + argc + 1, convox::faults::kKeeper);  // the environment stands behind the arguments
#endif
  using namespace convox;
  using namespace convox::keeper;
  const int plan = argc == 2 ? parse_descriptor(argv[1]) : -1;
  Block block;
  if (plan < 3 || block.map(plan)) return kNotOurs;
  sys::close(plan);
  return live(block) ? kFailed : 0;
}
