#include "cli/oci/known.h"

#include <regex.h>

#include "cli/output.h"

namespace convox::oci {
namespace {

class Pattern {
 public:
  explicit Pattern(const std::string& text) : wrong_(::regcomp(&compiled_, text.c_str(), REG_EXTENDED | REG_NOSUB)) {}
  ~Pattern() {
    if (wrong_ == 0) ::regfree(&compiled_);
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;
  [[nodiscard]] bool is_wrong() const { return wrong_ != 0; }
  [[nodiscard]] bool matches(const std::string& text) const {
    return ::regexec(&compiled_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  regex_t compiled_{};
  int wrong_;
};

}  // namespace

Result<Known> find_container(const Globals& globals, const std::string& id) {
  States states = TRY(States::open(globals.root, false));
  State state = TRY(states.read(id));
  const Status status = TRY(status_of(states, state));
  return Known{std::move(states), std::move(state), status};
}

Result<Claimed> claim_container(const Globals& globals, const std::string& id) {
  States states = TRY(States::open(globals.root, false));
  Claim claim = TRY(states.claim(id));
  State state = TRY(states.read(id));
  const Status status = state.pid == 0 ? Status::kStopped : TRY(status_of(states, state));
  return Claimed{std::move(claim), Known{std::move(states), std::move(state), status}};
}

Result<std::vector<std::string>> ids_of(const Globals& globals, const Words& words) {
  const std::string& text = words.arguments[0];
  if (!words.has("regex")) return std::vector<std::string>{text};
  const Pattern pattern(text);
  if (pattern.is_wrong()) return invalid(cat("\"", text, "\" is no regular expression"));
  const States states = TRY(States::open(globals.root, false));
  std::vector<std::string> ids = TRY(states.list());
  std::erase_if(ids, [&pattern](const std::string& id) { return !pattern.matches(id); });
  return ids;
}

Result<cgroups::Hierarchy> hierarchy_or_none() {
  auto found = cgroups::read_hierarchy();
  if (!found && found.error().kind == Error::Kind::kNotFound) return cgroups::Hierarchy();
  return found;
}

Result<> print_line(std::string_view text) { return cli::print(cat(text, "\n")); }

}  // namespace convox::oci
