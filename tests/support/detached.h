// A detached container under test: started, looked at, waited for.
#pragma once
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tests/support/app.h"
#include "tests/support/wait.h"

namespace convox::test {

// Starts it; its id.
inline std::string detached(App& app, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"run", "--detach", "--id"});
  const Ran ran = app.convox(std::move(arguments));
  EXPECT_STATUS(ran, 0);
  return ran.out;
}

inline std::string record(const App& app, const std::string& id) {
  const std::string live = read_file(app.state() + "/c/" + id + "/state.json");
  return live.empty() ? read_file(app.lib() + "/containers/" + id + "/state.json") : live;
}

// The number behind "key": in a record.
inline long number(const std::string& record, const std::string& key) {
  const std::size_t at = record.find("\"" + key + "\":");
  return at == std::string::npos ? -1 : atol(record.c_str() + at + key.size() + 3);
}

// All bytes of its log, heads of records too.
inline std::string log_of(const App& app, const std::string& id) {
  std::string text;
  for (int segment = 1; segment < 20; ++segment) {
    char name[16];
    snprintf(name, sizeof name, "%08d.log", segment);
    text += read_file(app.lib() + "/apps/app/logs/" + id + "/" + name);
  }
  return text;
}

inline std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

inline bool lives(const App& app, const std::string& id) {
  return access((app.state() + "/c/" + id).c_str(), F_OK) == 0;
}
inline bool process_lives(long pid) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
  return !status.empty() && status.find("\nState:\tZ") == std::string::npos;  // we reap orphans only at the end
}

// Leftovers but for what is meant to stay: logs, and the group that keepers live in.
inline std::string leftovers(const App& app) {
  std::string left;
  const std::string all = app.leftovers();
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at);
    const std::string line = all.substr(at, end - at);
    if (line.find("/logs") == std::string::npos && line.find("@keepers") == std::string::npos) left += line + "\n";
    at = end == std::string::npos ? all.size() : end + 1;
  }
  return left;
}
#define EXPECT_ONLY_LOGS_LEFT(app)                               \
  do {                                                           \
    const std::string left_ = leftovers(app);                    \
    cr_expect(left_.empty(), "left behind:\n%s", left_.c_str()); \
  } while (false)

inline void remove_kept(App& app) { EXPECT_STATUS(app.convox({"gc", "--kept"}), 0); }
}  // namespace convox::test
