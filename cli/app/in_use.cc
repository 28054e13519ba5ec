#include "cli/app/in_use.h"

#include <fcntl.h>

#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "runtime/base/lock.h"

namespace convox::app {
namespace {

constexpr std::size_t kLargestState = 4u << 20;

// A supervisor holds the lock of its container's directory as long as it lives.
Result<bool> is_running(int containers, const std::string& id, std::string_view app) {
  const auto directory = fs::open_beneath(containers, id, O_RDONLY | O_DIRECTORY);
  if (!directory) return false;  // it ended meanwhile
  if (TRY(try_lock(directory->get(), LockKind::kShared, id))) return false;
  const auto text = fs::read(directory->get(), "state.json", kLargestState);
  if (!text && text.error().code == ENOENT) return false;
  if (!text) return text.error();
  const json::Document state = TRY(json::parse(*text, "state.json"));
  return TRY(json::string(state, "app")) == std::string(app);
}

}  // namespace

Result<std::vector<std::string>> running_containers(const std::string& run, std::string_view app) {
  std::vector<std::string> running;
  const auto containers = fs::open(cat(run, "/c"), O_RDONLY | O_DIRECTORY);
  if (!containers && containers.error().code == ENOENT) return running;
  if (!containers) return containers.error();
  for (const std::string& id : TRY(fs::list(containers->get())))
    if (TRY(is_running(containers->get(), id, app), "container ", id)) running.push_back(id);
  return running;
}

}  // namespace convox::app
