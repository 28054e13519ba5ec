// convox-oci list: which containers are there, and how are they?
#include "cli/oci/known.h"
#include "cli/output.h"
#include "cli/table.h"

namespace convox::oci {
namespace {

constexpr Flag kFlags[] = {
    {"format", 'f', "table|json", "how to print them"},
    {"quiet", 'q', "", "print the ids alone"},
};

// What a crash left half-made is listed too, or nobody would delete it.
Result<std::vector<Known>> all_containers(const Globals& globals) {
  const States states = TRY(States::open(globals.root, false));
  std::vector<Known> all;
  for (const std::string& id : TRY(states.list())) {
    auto known = find_container(globals, id);
    if (!known && known.error().kind == Error::Kind::kNotFound) continue;  // it went in the meantime
    if (!known) {
      States again = TRY(States::open(globals.root, false));
      State unknown;
      unknown.id = id;
      known = Known{std::move(again), std::move(unknown), Status::kStopped};
    }
    all.push_back(*std::move(known));
  }
  return all;
}

std::string json_of(const std::vector<Known>& all) {
  std::string text = "[";
  for (const Known& known : all) text += cat(text.size() > 1 ? "," : "", state_json(known.state, known.status));
  return text + "]\n";
}

std::string table_of(const std::vector<Known>& all) {
  cli::Table table{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"};
  for (const Known& known : all) {
    const State& state = known.state;
    table.add({state.id, cat(known.status == Status::kStopped ? 0 : state.pid), std::string(name(known.status)),
               state.bundle, state.created, state.owner});
  }
  return table.text();
}

Result<int> list(const Globals& globals, const Words& words) {
  const std::string format = words.value("format").value_or("table");
  if (format != "table" && format != "json") return invalid(cat("unknown format \"", format, "\""));
  const std::vector<Known> all = TRY(all_containers(globals));
  std::string text;
  if (words.has("quiet"))
    for (const Known& known : all) text += known.state.id + "\n";
  else
    text = format == "json" ? json_of(all) : table_of(all);
  TRY(cli::print(text));
  return 0;
}

}  // namespace

const Verb kList = {.name = "list",
                    .usage = "[flags]",
                    .help = "list the containers",
                    .flags = kFlags,
                    .least = 0,
                    .most = 0,
                    .perform = list};

}  // namespace convox::oci
