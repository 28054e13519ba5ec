// Which containers are there, and which one does the user mean?
//
// Reading takes no lock that a launch would wait for: a container's state is its record, and whether its holder lives
// is whether its claim can be taken. Commands that list call Containers::reap first, so what is dead has been recorded
// as such.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/containers.h"

namespace convox::runtime {

struct Listed {
  Record record;
  bool live = false;  // somebody holds its claim: it is being started, runs, or waits to be started again
};

// All of them, finished ones that were kept too: by app, then service, then start, then id. A record of an earlier boot
// reads as stopped, "host rebooted". Of one whose record cannot
// be read there is nothing but its id, which `broken` gets too.
Result<std::vector<Listed>> list_containers(const Containers& containers, std::vector<std::string>* broken = nullptr);

// The same, and what is dead is disposed of on the way: Containers::survey.
struct Survey {
  std::vector<Listed> all;
  std::vector<std::string> broken;
  Containers::Reaped reaped;
};
Result<Survey> survey_containers(const Containers& containers, const cgroups::Hierarchy& hierarchy);

// What `text` names: an id, the beginning (3 characters or more) of exactly one, or with `service_of` the name of a
// service of that app: then its oldest running service process, else its oldest running one-off. Kind::kNotFound:
// "no such process: X"; kInvalid: "ambiguous process id: X (A, B)".
Result<Listed> find_container(const std::vector<Listed>& all, std::string_view text,
                              std::optional<std::string_view> service_of = std::nullopt);

// The live container with that very id, or nothing: no other is looked at.
Result<std::optional<Listed>> find_live(const Containers& containers, const std::string& id);

// For commands on a process that must run (exec, cp into it, pause, update). kInvalid, in words: "process X is not
// running (it exited with status 3)".
Result<> check_running(const Listed& container);

}  // namespace convox::runtime
