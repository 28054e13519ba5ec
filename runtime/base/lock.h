// How do two convox commands keep out of each other's way?
//
// flock(2) on a descriptor of the thing itself. The kernel gives the lock up when the last descriptor closes, so a
// killed command never leaves one behind, and whoever can take the lock of a record that says "running" knows that its
// owner is gone. Descriptors are close-on-exec: a lock never travels into a container. Order: store, network, app,
// container (C4).
#pragma once
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox {

enum class LockKind { kShared, kExclusive };

inline constexpr int kLockSeconds = 30;

// Waits at most `seconds`, then fails with ETIMEDOUT and a text that names the holder's pid. `what` is what the user
// knows it by. The descriptor must be an open file description of its own: two dups of one share one lock, and so
// exclude nobody.
Result<> lock(int fd, LockKind kind, std::string_view what, int seconds = kLockSeconds);

// True if it was taken, false if somebody else holds it.
Result<bool> try_lock(int fd, LockKind kind, std::string_view what);

}  // namespace convox
