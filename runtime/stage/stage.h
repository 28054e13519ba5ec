// What does the stage know while it works? Everything, in one struct: there is no heap, and no other state.
//
// Read main.cc first, then the files in the order of README.md. Every `perform` returns the errno of the call that
// failed, never a guess, and leaves the words to the host side.
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
  bool whole = false;       // others may be below it,
  std::uint64_t below = 0;  // with these attributes
  bool found = false;
};

struct Capabilities {
  std::uint64_t permitted = 0, effective = 0, inheritable = 0, ambient = 0;
};

inline constexpr std::uint32_t kMaxLimits = 16;  // RLIM_NLIMITS
struct Limit {
  bool set = false;
  std::uint64_t soft = 0, hard = 0;
};

struct Stage {
  PlanView plan;
  int socket = -1;
  int root = -1;               // the container's root directory, O_PATH
  bool root_is_aside = false;  // it is attached at a place of its own, not over "/"
  // A procfs that shows us, O_PATH: the container's own, as fsmount gave it or as a container has it. Before there is
  // one, or if there will be none, the host's: have_proc.
  int proc = -1;
  int slots[kMaxSlots] = {};  // -1 once used up
  std::uint32_t slot_count = 0;
  MadeMount mounts[kMaxMounts] = {};
  std::uint32_t mount_count = 0;
  User user;
  char home[kMaxHome + 8] = {};  // "HOME=..."
  bool keeps_groups = false;     // BecomeUser leaves the supplementary groups alone
  Capabilities capabilities;     // the payload's, once SetCapabilities ran
  bool holds_admin = false;      // CAP_SYS_ADMIN is still permitted, for the filter
  std::uint32_t umask = 0022;
  Limit limits[kMaxLimits] = {};
  int empty_directory = -1;    // the read-only tmpfs that masks directories, once attached
  Texts argv;                  // the plan's, or its split_argv
  const char* path = nullptr;  // what execve gets, once FindCommand ran
  char found[4096] = {};       // its text, if PATH was searched
  bool filtered = false;       // seccomp is in force: a packet may no longer be allowed
  Difference difference = Difference::kNone;
  std::uint32_t hook_status = 0;  // of wait(2), of a hook that failed

  // The descriptor in `slot`, which stays ours; -1 if there is none. `take` hands it over.
  [[nodiscard]] int in(Slot slot) const noexcept { return slot.index < slot_count ? slots[slot.index] : -1; }
  UniqueFd take(Slot slot) noexcept;

  // Its number, and which alternative of Step it is.
  [[noreturn]] void fail(std::uint32_t step, std::size_t deed, Errno error) noexcept;
  void report(const Report& report, int descriptor = -1) noexcept;
};

// process.cc
Errno perform(const StartSession&, Stage&) noexcept;
Errno perform(const NewKeyring&, Stage&) noexcept;
Errno perform(const CleanSlate&, Stage&) noexcept;
Errno perform(const Receive&, Stage&) noexcept;
Errno perform(const OpenConsole&, Stage&) noexcept;
Errno perform(const OpenNull&, Stage&) noexcept;
Errno perform(const OwnStdio&, Stage&) noexcept;
Errno perform(const SetLimit&, Stage&) noexcept;
Errno perform(const SetScheduler&, Stage&) noexcept;
Errno perform(const SetIoPriority&, Stage&) noexcept;
Errno perform(const SetPersonality&, Stage&) noexcept;
Errno perform(const SetMemoryPolicy&, Stage&) noexcept;
Errno perform(const DieWithParent&, Stage&) noexcept;
// machine.cc
Errno perform(const SetHostname&, Stage&) noexcept;
Errno perform(const SetDomainname&, Stage&) noexcept;
Errno perform(const WriteSysctl&, Stage&) noexcept;
Errno perform(const NewTimeNamespace&, Stage&) noexcept;
Errno perform(const JoinTimeNamespace&, Stage&) noexcept;
Errno perform(const RaiseLoopback&, Stage&) noexcept;
// root.cc
Errno perform(const UnshareMounts&, Stage&) noexcept;
Errno perform(const AttachRoot&, Stage&) noexcept;
Errno perform(const EnterRoot&, Stage&) noexcept;
Errno perform(const PivotRoot&, Stage&) noexcept;
Errno perform(const MoveRoot&, Stage&) noexcept;
Errno perform(const ReadOnlyRoot&, Stage&) noexcept;
Errno perform(const SetPropagation&, Stage&) noexcept;
// mounts.cc
Errno perform(const MountNew&, Stage&) noexcept;
Errno perform(const AttachTree&, Stage&) noexcept;
Errno perform(const PlaceFile&, Stage&) noexcept;
Errno perform(const ImageVolume&, Stage&) noexcept;
Errno perform(const Mask&, Stage&) noexcept;
Errno perform(const ReadOnly&, Stage&) noexcept;
Errno perform(const MakeReadOnly&, Stage&) noexcept;
// nodes.cc
Errno perform(const MakeDirectory&, Stage&) noexcept;
Errno perform(const MakeNode&, Stage&) noexcept;
Errno perform(const MakeLink&, Stage&) noexcept;
// pauses.cc
Errno perform(const AwaitGo&, Stage&) noexcept;
Errno perform(const AwaitHooks&, Stage&) noexcept;
Errno perform(const RunHook&, Stage&) noexcept;
Errno perform(const Gate&, Stage&) noexcept;
// identity.cc
Errno perform(const ResolveUser&, Stage&) noexcept;
Errno perform(const TakeUser&, Stage&) noexcept;
Errno perform(const SetSecurityLabel&, Stage&) noexcept;
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
// Opens `path` of stage.proc, and nothing that somebody mounted over it: EXDEV. open.cc
UniqueFd open_proc(const Stage& stage, const char* path, int flags, Errno* error) noexcept;
// Before there is a procfs of the container's own: the one of the mount namespace that we still see. EXDEV if that
// place shows something else. open.cc
Errno have_proc(Stage& stage) noexcept;
// `proc` instead of what was in use. open.cc
void use_proc(Stage& stage, UniqueFd proc) noexcept;
// Is it the root of a procfs? EXDEV if not. open.cc
Errno check_proc(int proc) noexcept;
// Notes a mount for Verify. mounts.cc
Errno note_mount(Stage& stage, int tree, const MadeMount& made) noexcept;
// Attaches the detached mount `tree` at `target`, then notes it. mounts.cc
Errno attach(Stage& stage, int tree, const UniqueFd& target, const MadeMount& made) noexcept;
// A detached mount of a new instance of `type`, or -errno. Options are "KEY=VALUE" or "KEY", NUL-terminated. mounts.cc
long new_filesystem(const char* type, std::uint64_t attributes, const std::string_view* options = nullptr,
                    std::uint32_t count = 0) noexcept;
// Shows the pty `slave` at /dev/console. mounts.cc
Errno bind_console(Stage& stage, int slave, const UniqueFd& console) noexcept;
// capset(2): the first three of the five sets. identity.cc
Errno set_capabilities(const Capabilities& sets) noexcept;
// Reads from `fd` until end of file or a full buffer; the number of bytes or -errno. open.cc
long read_full(int fd, char* buffer, std::size_t size) noexcept;

}  // namespace convox::stage
