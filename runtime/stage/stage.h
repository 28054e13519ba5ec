// What does the stage know while it works? Everything, in one struct: there is no heap, and no other state.
//
// Read main.cc first, then the files in the order of the plan: process.cc, mounts.cc, identity.cc, verify.cc,
// execute.cc. Every `perform` returns the errno of the call that failed, never a guess, and leaves the words to the
// host side.
#pragma once
#include <cstddef>
#include <string_view>

#include "runtime/base/unique_fd.h"
#include "runtime/stage/plan.h"
#include "runtime/stage/user_lookup.h"

namespace convox::stage {

// The plan's bytes, mapped privately. Every access checks its range: the plan is trusted no more than a packet would
// be.
class PlanView {
 public:
  PlanView() = default;
  // Maps the sealed memfd `fd`. EINVAL if its head or its steps do not lie inside it.
  Errno map(int fd) noexcept;
  const Head& head() const noexcept { return *reinterpret_cast<const Head*>(bytes_); }
  const Step& step(std::uint32_t index) const noexcept;
  const char* text(Text text) const noexcept;  // NUL-terminated; a text out of range ends the stage
  std::string_view view(Text t) const noexcept { return {text(t), t.size}; }
  Text item(Texts list, std::uint32_t index) const noexcept;
  char** pointers(std::size_t count) noexcept;

 private:
  const void* at(std::uint32_t offset, std::size_t size, std::size_t alignment) const noexcept;
  const void* in_texts(std::uint32_t offset, std::size_t size, std::size_t alignment) const noexcept;
  char* bytes_ = nullptr;
  std::size_t size_ = 0;
};

// A mount that the plan made, and what Verify must find of it.
struct MadeMount {
  std::uint64_t id = 0;  // STATX_MNT_ID: mountinfo's first column
  std::uint64_t attributes = 0;
  bool whole = false;
  bool found = false;
};

inline constexpr std::uint32_t kMaxLimits = 16;  // RLIM_NLIMITS
struct Limit {
  bool set = false;
  std::uint64_t soft = 0, hard = 0;
};

struct Stage {
  PlanView plan;
  int socket = -1;
  int root = -1;  // the container's root directory, O_PATH
  int proc = -1;  // the container's own procfs, as fsmount gave it or as a container has it: open_proc
  int slots[kMaxSlots] = {};
  MadeMount mounts[kMaxMounts] = {};
  std::uint32_t mount_count = 0;
  User user;
  char home[kMaxHome + 8] = {};    // "HOME=..."
  std::uint64_t capabilities = 0;  // permitted and effective, once SetCapabilities ran
  std::uint32_t umask = 0022;
  Limit limits[kMaxLimits] = {};
  int empty_directory = -1;    // the read-only tmpfs that masks directories, once attached
  Texts argv;                  // the plan's, or its split_argv
  const char* path = nullptr;  // what execve gets, once FindCommand ran
  char found[4096] = {};       // its text, if PATH was searched
  bool filtered = false;       // seccomp is in force: a packet may no longer be allowed
  Difference difference = Difference::kNone;

  [[noreturn]] void fail(std::uint32_t step, Errno error) noexcept;
  void report(const Report& report, int descriptor = -1) noexcept;
};

// process.cc
Errno perform(const StartSession&, Stage&) noexcept;
Errno perform(const NewKeyring&, Stage&) noexcept;
Errno perform(const CleanSlate&, Stage&) noexcept;
Errno perform(const Receive&, Stage&) noexcept;
Errno perform(const AwaitGo&, Stage&) noexcept;
Errno perform(const OpenConsole&, Stage&) noexcept;
Errno perform(const OpenNull&, Stage&) noexcept;
Errno perform(const OwnStdio&, Stage&) noexcept;
Errno perform(const SetHostname&, Stage&) noexcept;
Errno perform(const WriteSysctl&, Stage&) noexcept;
Errno perform(const RaiseLoopback&, Stage&) noexcept;
Errno perform(const SetLimit&, Stage&) noexcept;
Errno perform(const DieWithParent&, Stage&) noexcept;
// mounts.cc
Errno perform(const UnshareMounts&, Stage&) noexcept;
Errno perform(const AttachRoot&, Stage&) noexcept;
Errno perform(const EnterRoot&, Stage&) noexcept;
Errno perform(const MountNew&, Stage&) noexcept;
Errno perform(const AttachTree&, Stage&) noexcept;
Errno perform(const PlaceFile&, Stage&) noexcept;
Errno perform(const PivotRoot&, Stage&) noexcept;
Errno perform(const ImageVolume&, Stage&) noexcept;
Errno perform(const MakeDirectory&, Stage&) noexcept;
Errno perform(const Mask&, Stage&) noexcept;
Errno perform(const ReadOnly&, Stage&) noexcept;
Errno perform(const ReadOnlyRoot&, Stage&) noexcept;
// identity.cc
Errno perform(const ResolveUser&, Stage&) noexcept;
Errno perform(const NoNewPrivileges&, Stage&) noexcept;
Errno perform(const DropBounding&, Stage&) noexcept;
Errno perform(const BecomeUser&, Stage&) noexcept;
Errno perform(const ChangeDirectory&, Stage&) noexcept;
Errno perform(const SetCapabilities&, Stage&) noexcept;
// verify.cc
Errno perform(const Verify&, Stage&) noexcept;
// execute.cc
Errno perform(const FindCommand&, Stage&) noexcept;
Errno perform(const CloseOnExec&, Stage&) noexcept;
Errno perform(const LoadFilter&, Stage&) noexcept;
Errno perform(const BecomeInit&, Stage&) noexcept;
Errno perform(const Execute&, Stage&) noexcept;

// Opens `path` inside the container's root, O_PATH|O_CLOEXEC with `flags`; links are followed inside the root only, and
// not at all with `plain`. open.cc
UniqueFd open_inside(const Stage& stage, const char* path, int flags, bool plain, Errno* error) noexcept;
// The same, and makes what is missing of the way: directories 0755, and the end as `kind` says. open.cc
UniqueFd open_target(const Stage& stage, const char* path, Target kind, Errno* error) noexcept;
// The same for a place that the user or the image named, where something is to be mounted: EXDEV if links led to the
// root itself or into a file system of the kernel's. A file over /proc/self/status would be believed by whoever reads
// it. open.cc
UniqueFd open_mount_target(const Stage& stage, const char* path, Target kind, Errno* error) noexcept;
// Opens `path` of our own procfs, and nothing that somebody mounted over it: EXDEV. open.cc
UniqueFd open_proc(const Stage& stage, const char* path, int flags, Errno* error) noexcept;
// Notes a mount for Verify. mounts.cc
Errno note_mount(Stage& stage, int tree, std::uint64_t attributes, bool whole) noexcept;
// Attaches the detached mount `tree` at `target`, then notes it. mounts.cc
Errno attach(Stage& stage, int tree, const UniqueFd& target, std::uint64_t attributes, bool whole) noexcept;
// Shows the pty `slave` at /dev/console. mounts.cc
Errno bind_console(Stage& stage, int slave, const UniqueFd& console) noexcept;
// Reads from `fd` until end of file or a full buffer; the number of bytes or -errno. open.cc
long read_full(int fd, char* buffer, std::size_t size) noexcept;

}  // namespace convox::stage
