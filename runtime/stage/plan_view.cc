// How are the plan's bytes read, as if a stranger had sent them?
//
// The host side made them, in the same build. But a reader that believes no offset needs no proof that every writer is
// right, and can be fuzzed by itself (tests/unit/plan_view.cc).
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/mman.h>

#include "runtime/stage/stage.h"

namespace convox::stage {
namespace {

constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

}  // namespace

Errno PlanView::map(int fd) noexcept {
  const long seals = sys::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return Errno(seals);
  if ((seals & kSeals) != kSeals) return Errno(-EPERM);
  struct statx st {};
  if (const long rc = sys::statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &st); rc < 0) return Errno(rc);
  size_ = static_cast<std::size_t>(st.stx_size);
  if (size_ < sizeof(Head)) return Errno(-EINVAL);
  // Private and writable: the pointers for execve are filled in, and the memfd stays as it was.
  const long at = sys::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (at < 0 && at > -4096) return Errno(at);
  bytes_ = reinterpret_cast<char*>(at);
  if (head().magic != kMagic || head().version != kVersion || head().size != size_) return Errno(-EINVAL);
  for (std::uint32_t i = 0; i < head().step_count; ++i)
    if (step(i).index() >= std::variant_size_v<Step>) return Errno(-EINVAL);
  return {};
}

const void* PlanView::at(std::uint32_t offset, std::size_t size, std::size_t alignment) const noexcept {
  if (offset > size_ || size > size_ - offset || offset % alignment != 0) sys::exit_group(kStageFailed);
  return bytes_ + offset;
}

const void* PlanView::in_texts(std::uint32_t offset, std::size_t size, std::size_t alignment) const noexcept {
  if (offset > size_) sys::exit_group(kStageFailed);
  return at(head().texts_at + offset, size, alignment);
}

const Step& PlanView::step(std::uint32_t index) const noexcept {
  return static_cast<const Step*>(
      at(head().steps_at, std::size_t{head().step_count} * sizeof(Step), alignof(Step)))[index];
}

const char* PlanView::text(Text text) const noexcept {
  const auto* start = static_cast<const char*>(in_texts(text.at, std::size_t{text.size} + 1, 1));
  if (start[text.size] != '\0') sys::exit_group(kStageFailed);
  return start;
}

Text PlanView::item(Texts list, std::uint32_t index) const noexcept {
  return static_cast<const Text*>(in_texts(list.at, std::size_t{list.count} * sizeof(Text), alignof(Text)))[index];
}

char** PlanView::pointers(std::size_t count) noexcept {
  return static_cast<char**>(const_cast<void*>(at(head().pointers_at, count * sizeof(char*), alignof(char*))));
}

}  // namespace convox::stage
