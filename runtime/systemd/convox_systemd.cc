// convox-systemd: asks systemd for the cgroup of a container, on behalf of convox-oci.
//
//   convox-systemd start system|user UNIT     a scope of that name, with this process in it
//   convox-systemd update system|user UNIT    other properties for a unit
//   convox-systemd stop system|user UNIT
//
// A program of its own, because sd-bus comes with eight libraries that no other start should load. `start` and `update`
// read properties, one a line (property.h), up to an empty line or the end. systemd ends a scope in which nobody is; so
// `start` says `ok` and then stays, until its standard input ends: by then the container was born in the group. Further
// lines that it reads meanwhile are updates, answered in the same way.
// What goes wrong is one line on standard error, and status 1.
#include <unistd.h>

#include <optional>

#include "runtime/base/fs.h"
#include "runtime/systemd/bus.h"

using namespace convox;
using namespace convox::systemd;

namespace {

constexpr unsigned kSeconds = 30;               // for whatever systemd has to do
constexpr std::size_t kLargestInput = 1 << 20;  // bytes: a few thousand devices

// Standard input, a line at a time.
class Lines {
 public:
  // Nothing: the end.
  Result<std::optional<std::string>> next() {
    for (;;) {
      if (const std::size_t end = text_.find('\n', at_); end != std::string::npos) {
        std::string line = text_.substr(at_, end - at_);
        at_ = end + 1;
        return std::optional(std::move(line));
      }
      char buffer[4096];
      const long got = sys::read(STDIN_FILENO, buffer, sizeof buffer);
      if (got == -EINTR) continue;
      TRY(check(got, "read", "standard input"));
      if (got == 0) return std::optional<std::string>();
      text_.append(buffer, static_cast<std::size_t>(got));
      if (text_.size() > kLargestInput) return invalid("standard input: too much");
    }
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

// Up to an empty line. `end` says whether there was none.
Result<std::vector<Property>> properties(Lines& lines, bool& end) {
  std::vector<Property> list;
  for (;;) {
    const std::optional<std::string> line = TRY(lines.next());
    end = !line;
    if (!line || line->empty()) return list;
    list.push_back(TRY(parse_property(*line)));
  }
}

Result<> say_ok() { return fs::write_all(STDOUT_FILENO, "ok\n", "standard output"); }

Result<> start(Manager manager, const std::string& unit) {
  Lines lines;
  bool end = false;
  std::vector<Property> list = TRY(properties(lines, end));
  list.push_back(TRY(parse_property(cat("PIDs=[uint32 ", sys::getpid(), "]"))));
  {
    Bus bus;
    TRY(bus.open(manager, kSeconds));
    TRY(bus.start_scope(unit, list));
  }
  TRY(say_ok());
  while (!end) {
    list = TRY(properties(lines, end));
    if (list.empty()) continue;
    Bus bus;
    TRY(bus.open(manager, kSeconds));
    TRY(bus.set(unit, list));
    TRY(say_ok());
  }
  return ok();
}

Result<> update(Manager manager, const std::string& unit) {
  Lines lines;
  bool end = false;
  const std::vector<Property> list = TRY(properties(lines, end));
  Bus bus;
  TRY(bus.open(manager, kSeconds));
  return bus.set(unit, list);
}

Result<> stop(Manager manager, const std::string& unit) {
  Bus bus;
  TRY(bus.open(manager, kSeconds));
  return bus.stop(unit);
}

Result<> run(std::string_view verb, std::string_view manager, const std::string& unit) {
  if (manager != "system" && manager != "user") return invalid(cat(manager, ": is neither system nor user"));
  const Manager which = manager == "user" ? Manager::kUser : Manager::kSystem;
  if (verb == "start") return start(which, unit);
  if (verb == "update") return update(which, unit);
  if (verb == "stop") return stop(which, unit);
  return invalid(cat(verb, ": is not start, update or stop"));
}

}  // namespace

int main(int count, char** words) {
  if (count != 4) {
    (void)fs::write_all(STDERR_FILENO, "usage: convox-systemd start|update|stop system|user UNIT\n", "stderr");
    return 2;
  }
  const Result<> done = run(words[1], words[2], words[3]);
  if (done) return 0;
  (void)fs::write_all(STDERR_FILENO, cat(done.error().text, "\n"), "stderr");
  return 1;
}
