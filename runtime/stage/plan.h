// What does the stage do, step by step? The words that the host side and the stage share.
//
// The stage is the small static program that lives inside the new namespaces until it becomes the payload
// (stage/main.cc). It decides nothing: the host side hands it a finished plan, one flat block of bytes, and it performs
// the steps in order. This file is that block's layout, and so the list of everything that can ever happen between
// clone3 and the payload's execve.
//
// A step is plain data: no pointers, no owners. Text lives behind the steps and is named by offset (`Text`), a mount
// that the host side made is named by its place in the descriptors it sends (`Slot`). So a plan can be printed
// (--explain), stored, replayed and fuzzed. The kernel facts that decide the order stand where the order is made:
// runtime/stage_plan.cc.
#pragma once
#include <cstdint>
#include <variant>

namespace convox::stage {

// `size` bytes at offset `at` of the text area, followed by a NUL that `size` does not count.
struct Text {
  std::uint32_t at = 0, size = 0;
};
// `count` texts, whose Text records stand at offset `at` of the text area.
struct Texts {
  std::uint32_t at = 0, count = 0;
};
// The n-th descriptor in the packet of Receive.
struct Slot {
  std::uint32_t index = 0;
};

enum class Target : std::uint32_t {
  kDirectory,       // made if missing
  kFile,            // made, empty, if missing
  kPlainDirectory,  // made if missing, and no part of the way to it may be a symbolic link: /proc, /sys
                    // (CVE-2019-16884)
};

// --- a clean process -----------------------------------------------------------------------------------------
struct StartSession {};  // setsid: a session without a terminal
struct NewKeyring {
  Text name;
};  // keyrings are not namespaced
struct CleanSlate {
  std::uint32_t umask = 0022;
};  // signals, mask, personality, timer slack as after boot

// --- the file system -----------------------------------------------------------------------------------------
struct UnshareMounts {};  // no mount of ours propagates to the host
struct Receive {
  std::uint32_t slots = 0;
};  // wait for the host side's mounts
struct AttachRoot {
  Slot tree;
};
struct AwaitGo {};    // until the host side has done what must be done before the payload runs
struct EnterRoot {};  // of a container that was joined: "/" and /proc are what it has there
// A new instance of a file system, owned by the container's user namespace. `options` are KEY=VALUE or a bare KEY.
struct MountNew {
  Text type, target;
  Texts options;
  std::uint64_t attributes = 0;  // MOUNT_ATTR_*
  Target kind = Target::kDirectory;
};
// A tree that the host side opened or made, with its attributes already set.
struct AttachTree {
  Slot tree;
  Text target;
  std::uint64_t attributes = 0;  // what Verify must find
  Target kind = Target::kDirectory;
  bool whole = false;  // it may hold further mounts
};
// A file that the host side left in /dev under `name`, to be seen at `target` alone.
struct PlaceFile {
  Text name, target;
};
struct OpenConsole {       // a pty of the container's own devpts; its master goes to the host side
  bool as_console = true;  // shown at /dev/console too
};
struct OpenNull {};  // input and output are the container's own /dev/null
struct OwnStdio {};  // the payload's user may open /dev/stdout again
struct PivotRoot {};
// A directory of the image's own that stays writable under a read-only root, for what its VOLUME lines name.
struct ImageVolume {
  Text path;
};
struct MakeDirectory {
  Text path;
};  // the working directory, if the image lacks it
struct Mask {
  Text path;
};  // a file reads as empty, a directory as empty and read-only
struct ReadOnly {
  Text path;
};
struct ReadOnlyRoot {};

// --- the machine as the payload sees it ------------------------------------------------------------------------
struct SetHostname {
  Text name;
};
struct WriteSysctl {
  Text path, value;
};  // path below /proc, with slashes
struct RaiseLoopback {};
struct SetLimit {
  std::uint32_t resource = 0;
  std::uint64_t soft = 0, hard = 0;
};

// --- who the payload is ---------------------------------------------------------------------------------------
struct ResolveUser {             // in the image's own passwd and group, by our own parser
  Text user;                     // "", uid, name, uid:gid, name:group
  bool never_root = false;       // runAsNonRoot
  std::uint32_t largest_id = 0;  // that has a mapping
};
struct NoNewPrivileges {};
struct DropBounding {
  std::uint64_t keep = 0;
};
struct BecomeUser {};
struct ChangeDirectory {  // once as root, once as the user: either may be the one who is allowed
  Text path;
  bool may_fail = false;  // with EACCES
};
struct SetCapabilities {
  std::uint64_t root_holds = 0;
};  // permitted and effective if the user is root, else none
struct DieWithParent {};
struct FindCommand {};  // PATH is searched as the payload's user

struct Verify {  // hardening rule A11: what is, against what was planned
  std::uint64_t bounding = 0;
  bool no_new_privs = true;
  bool mounts = true;  // or they are those of a container that runs, which may have made some of its own
};
struct CloseOnExec {};
struct LoadFilter {
  Text program;
};                     // seccomp, classic BPF
struct BecomeInit {};  // fork: the parent stays PID 1, reaps and forwards signals
struct Execute {};

using Step =
    std::variant<StartSession, NewKeyring, CleanSlate, UnshareMounts, Receive, AttachRoot, AwaitGo, EnterRoot, MountNew,
                 AttachTree, PlaceFile, OpenConsole, OpenNull, OwnStdio, PivotRoot, ImageVolume, MakeDirectory, Mask,
                 ReadOnly, ReadOnlyRoot, SetHostname, WriteSysctl, RaiseLoopback, SetLimit, ResolveUser,
                 NoNewPrivileges, DropBounding, BecomeUser, ChangeDirectory, SetCapabilities, DieWithParent,
                 FindCommand, Verify, CloseOnExec, LoadFilter, BecomeInit, Execute>;

inline constexpr std::uint32_t kMagic = 0x78766e63;  // "cnvx"
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint32_t kMaxSlots = 128;
inline constexpr std::uint32_t kMaxMounts = 1024;

// The head of the block. `argv` and `envp` name texts; `pointers` is room for argc + 1 + envc + 2 pointers, which the
// stage fills in for execve in its own private mapping (it has no heap). The extra one is HOME, known once the user is.
struct Head {
  std::uint32_t magic = kMagic, version = kVersion, size = 0;
  std::uint32_t first_number = 1;  // the number of the first step, as --explain counts
  std::uint32_t steps_at = 0, step_count = 0;
  std::uint32_t texts_at = 0;
  Texts argv, envp;
  Texts split_argv;  // instead of argv where the image has no /bin/sh; may be empty
  std::uint32_t pointers_at = 0;
  bool adds_home = false;  // nobody set HOME: it comes from passwd
  bool traced = false;     // a report for each step done, with its duration
};

// --- the conversation over the socket pair (SOCK_SEQPACKET, one struct a packet) --------------------------------
//
//   host side                          child, then stage
//      | -- go ------------------------->|   (with a user namespace: its id maps are written)
//      |                                 |   takes id 0, executes the stage
//      |<------------------ kHello ------|   the stage runs, its memory is its own
//      | -- descriptors of Receive ----->|   (memory.max is in force by now)
//      |<---------------- kConsole ------|   with the pty's master, if there is one
//      |<------------------ kReady ------|   verified; the filter and execve are all that is left
//      |<------- end of file -- execve closed the socket: the payload runs
//   or |<----------------- kFailed ------|   (step, errno) at any point
struct Report {
  enum Kind : std::uint32_t { kHello = 1, kConsole, kReady, kStepDone, kFailed };
  std::uint32_t kind = 0;
  std::uint32_t step = 0;         // its number, for kStepDone and kFailed
  std::int32_t error = 0;         // errno, for kFailed
  std::uint32_t detail = 0;       // of kFailed: a Difference, when Verify found one
  std::uint64_t nanoseconds = 0;  // of kStepDone
};

// What Verify can find to differ from the plan.
enum class Difference : std::uint32_t {
  kNone,
  kMountMissing,
  kMountUnknown,
  kMountFlags,
  kMountShared,
  kIds,
  kGroups,
  kCapabilities,
  kNoNewPrivs,
  kLimit,
  kDescriptor,
  kDirectory,
  kSignals,
  kUmask,
};

// The stage ends with this status when it failed; the report above says why.
inline constexpr int kStageFailed = 125;

}  // namespace convox::stage
