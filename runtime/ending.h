// How did a detached container end, and what follows from it?
//
// The keeper writes an Exit (keeper/log_format.h) into ROOT/containers/<id>/exit before it lets go of the claim.
// Whoever has the claim then puts it into the record. The restart policy is pure: a decision from a record.
#pragma once
#include <chrono>
#include <optional>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"
#include "runtime/keeper/log_format.h"
#include "runtime/record.h"

namespace convox::runtime {

// Makes the file, all zero, for a start: writing into it later needs no space.
Result<> prepare_exit(int storage);
// Nothing if no payload has ended since.
Result<std::optional<log::Exit>> read_exit(int storage);

// The file itself, for who wants to know the end of a container whose files go with it; ENOENT if it has none.
Result<UniqueFd> open_exit(int storage);
Result<std::optional<log::Exit>> exit_in(const UniqueFd& file);

// The record of a container whose payload has ended: with what `exit` says, or, without one, with an unknown status
// because the keeper was killed.
void note_ending(Record& record, const std::optional<log::Exit>& exit);

// "no", "on-failure", "on-failure:N", "always".
struct RestartPolicy {
  enum class When { kNever, kOnFailure, kAlways } when = When::kNever;
  int most = 0;  // of on-failure: at most so often; 0: for ever
};
Result<RestartPolicy> parse_restart(std::string_view text);

// How long to wait before the next start of a container that ended as `record` says, or nothing: it stays as it is.
// 100 ms, doubled with each start that did not last ten seconds, one minute at most: a command that fails at once must
// not keep a processor busy, one that ran for days should be back at once.
std::optional<std::chrono::milliseconds> restart_after(const Record& record);
// Did this start last long enough for the back-off to begin anew?
bool lasted(const Record& record);

}  // namespace convox::runtime
