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
  kPlainFile,       // the same for a file. The plain ones may lie in the kernel's file systems, and over other mounts
};

// --- a clean process -----------------------------------------------------------------------------------------
struct StartSession {};  // setsid: a session without a terminal
struct NewKeyring {      // keyrings are not namespaced
  Text name;
  bool joinable = false;  // by name, for processes of the same user: by one that is run in the container later
};
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
  Text at;                       // where in the copied namespace, for hooks that look for it there; empty: over "/"
  std::uint64_t attributes = 0;  // what Verify must find
  bool whole = false;            // it may hold further mounts
};
struct AwaitGo {};    // until the host side has done what must be done before the payload runs
struct EnterRoot {};  // of a container that was joined: "/" and /proc are what it has there
// A new instance of a file system, owned by the container's user namespace. `options` are KEY=VALUE or a bare KEY.
struct MountNew {
  Text type, target;
  Texts options;
  std::uint64_t attributes = 0;  // MOUNT_ATTR_*
  Target kind = Target::kDirectory;
  std::uint64_t propagation = 0;  // MS_SHARED, ..., or 0: private
  bool takes_mode = false;        // of a tmpfs: its mode is that of the directory which it covers, if there is one
};
// A tree that the host side opened or made, with its attributes already set.
struct AttachTree {
  Slot tree;
  Text target;
  std::uint64_t attributes = 0;  // what Verify must find
  Target kind = Target::kDirectory;
  bool whole = false;       // it may hold further mounts
  std::uint64_t below = 0;  // and what Verify must find of those
};
// A file that the host side left in /dev under `name`, to be seen at `target` alone.
struct PlaceFile {
  Text name, target;
};
struct OpenConsole {       // a pty of the container's own devpts; its master goes to the host side
  bool as_console = true;  // shown at /dev/console too
};
struct OpenNull {};        // input and output are the container's own /dev/null
struct OwnStdio {          // the payload's user may open /dev/stdout again
  bool inherited = false;  // they are the caller's: a device is left alone, and what cannot be changed too
};
struct PivotRoot {};
struct MoveRoot {};  // where pivot_root(2) cannot be: the root of the host is an initramfs
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
// Of a mount of the plan's own, once everything below it is there.
struct MakeReadOnly {
  Text target;
};
struct SetPropagation {  // of the container's "/", and of all below it
  std::uint64_t propagation = 0;
  bool recursive = true;
};
// Outside of the host side's /dev. What stands there already must be the same node.
struct MakeNode {
  Text path;
  std::uint32_t mode = 0;  // with S_IFCHR, S_IFBLK or S_IFIFO
  std::uint32_t major = 0, minor = 0, uid = 0, gid = 0;
};
struct MakeLink {  // left alone if something stands there
  Text path, target;
};

// --- what others must do in between ----------------------------------------------------------------------------
struct AwaitHooks {};  // says so (kAtHooks), and waits for go: the host side runs its hooks, or moves a link in here
struct RunHook {       // one program inside these namespaces; it must end well within its time
  Text path;
  Texts args, env;
  std::uint32_t timeout = 0;  // seconds; 0: none
  Slot state;                 // a file with the state of the container, for its input
  Slot output;                // a file for what it says
};
// `create` ends here: says so (kCreated), lets the host side go, and waits on the listening socket for somebody who
// connects. The connection is the report socket from then on.
struct Gate {
  Slot socket;
};

// --- the machine as the payload sees it ------------------------------------------------------------------------
struct SetHostname {
  Text name;
};
struct SetDomainname {
  Text name;
};
struct WriteSysctl {
  Text path, value;
};  // path below /proc, with slashes
struct Offset {
  std::int64_t seconds = 0;
  std::uint64_t nanoseconds = 0;
};
struct NewTimeNamespace {
  Offset monotonic, boottime;
};
struct JoinTimeNamespace {
  Slot it;
};
struct RaiseLoopback {};
struct SetLimit {
  std::uint32_t resource = 0;
  std::uint64_t soft = 0, hard = 0;
  bool exact = false;  // else capped by the limits that are there
};

// --- who the payload is ---------------------------------------------------------------------------------------
struct ResolveUser {             // in the image's own passwd and group, by our own parser
  Text user;                     // "", uid, name, uid:gid, name:group
  bool never_root = false;       // runAsNonRoot
  std::uint32_t largest_id = 0;  // that has a mapping
};
struct TakeUser {  // by number, exactly
  std::uint32_t uid = 0, gid = 0;
  Text groups;               // an array of std::uint32_t
  bool keep_groups = false;  // setgroups(2) is denied in this user namespace, or the caller's are wanted
};
struct SetSecurityLabel {
  Text file, value;  // below /proc/self/attr
};
struct SetScheduler {
  std::uint32_t policy = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t flags = 0, runtime = 0, deadline = 0, period = 0;
};
struct SetIoPriority {
  std::uint32_t value = 0;
};
struct SetPersonality {
  std::uint32_t value = 0;
};
struct SetMemoryPolicy {
  std::uint32_t mode = 0;
  Text nodes;  // a bit mask of unsigned longs; may be empty
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
// Permitted also keeps CAP_SYS_ADMIN, not effective, where LoadFilter needs it: it is given up with the filter.
struct SetCapabilities {
  std::uint64_t permitted = 0, effective = 0, inheritable = 0, ambient = 0;
  bool only_root = false;  // another user has none
  bool for_filter = false;
};
struct DieWithParent {};
struct FindCommand {};  // PATH is searched as the payload's user

struct Verify {  // hardening rule A11: what is, against what was planned
  std::uint64_t bounding = 0;
  bool no_new_privs = true;
  enum class Mounts : std::uint32_t {
    kExactly,  // those that the plan made, and no others
    kAtLeast,  // hooks may have added some
    kUnknown,  // they are those of a container that runs, which may have made some of its own
  } mounts = Mounts::kExactly;
  bool may_be_shared = false;     // a propagation was asked for
  bool inherits_signals = false;  // ignored ones
  std::uint32_t preserved = 0;    // descriptors from 3 on that the payload gets
};
struct CloseOnExec {
  std::uint32_t preserved = 0;  // descriptors from 3 on that the payload gets
};
struct LoadFilter {  // seccomp, classic BPF
  Text program;
  std::uint32_t flags = 0;  // SECCOMP_FILTER_FLAG_*
  bool listens = false;     // the listener goes to the host side (kListener)
  bool as_admin = false;    // no_new_privs is off, so it takes CAP_SYS_ADMIN, which is given up right behind it
};
struct BecomeInit {};  // fork: the parent stays PID 1, reaps and forwards signals
struct Execute {};

using Step = std::variant<StartSession, NewKeyring, CleanSlate, UnshareMounts, Receive, AttachRoot, AwaitGo, EnterRoot,
                          MountNew, AttachTree, PlaceFile, OpenConsole, OpenNull, OwnStdio, PivotRoot, MoveRoot,
                          ImageVolume, MakeDirectory, Mask, ReadOnly, ReadOnlyRoot, MakeReadOnly, SetPropagation,
                          MakeNode, MakeLink, AwaitHooks, RunHook, Gate, SetHostname, SetDomainname, WriteSysctl,
                          NewTimeNamespace, JoinTimeNamespace, RaiseLoopback, SetLimit, ResolveUser, TakeUser,
                          SetSecurityLabel, SetScheduler, SetIoPriority, SetPersonality, SetMemoryPolicy,
                          NoNewPrivileges, DropBounding, BecomeUser, ChangeDirectory, SetCapabilities, DieWithParent,
                          FindCommand, Verify, CloseOnExec, LoadFilter, BecomeInit, Execute>;

inline constexpr std::uint32_t kMagic = 0x78766e63;  // "cnvx"
inline constexpr std::uint32_t kVersion = 2;
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
//      |<---------------- kAtHooks ------|   the mounts are made and not yet entered
//      | -- go ------------------------->|   (only if the plan has AwaitHooks)
//      |<---------------- kCreated ------|   and end of file: the rest is said to whoever connects (only with a Gate)
//      |<------------------ kReady ------|   verified; the filter and execve are all that is left
//      |<------- end of file -- execve closed the socket: the payload runs
//   or |<----------------- kFailed ------|   (step, errno) at any point
struct Report {
  enum Kind : std::uint32_t { kHello = 1, kConsole, kAtHooks, kCreated, kReady, kListener, kStepDone, kFailed };
  std::uint32_t kind = 0;
  std::uint32_t step = 0;         // its number, for kStepDone and kFailed
  std::int32_t error = 0;         // errno, for kFailed
  std::uint32_t detail = 0;       // of kFailed: a Difference, when Verify found one; a status of wait(2), of a hook's
  std::uint32_t deed = 0;         // of kFailed: which alternative of Step it was, for who has not the plan (`start`)
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
