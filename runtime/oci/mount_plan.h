// Where does each mount of a container come from, and where does it go?
//
// Pure: the list of config.json, with what this host and the container's namespaces make of it. runtime-spec 1.3,
// config.md, "Mounts", and config-linux.md, "Devices". Used by plan.cc (the host side's steps) and stage_plan.cc.
#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "runtime/oci/plan.h"

namespace convox::oci {

// Who makes it, and how. All but New come from the host side, through a slot.
struct New {};  // a new file system, mounted by the stage
using Source = std::variant<New, OpenBind, CopyUp, MakeDevices, OpenNode, OpenNotify>;

struct Placed {
  Source source;
  std::string target;  // absolute and plain: no "..", no "//"
  stage::Target kind = stage::Target::kDirectory;
  std::uint64_t attributes = 0;  // what Verify must find
  bool whole = false;            // it may hold further mounts
  std::uint64_t below = 0;       // and what Verify must find of those
  bool takes_mode = false;       // of the directory that it covers
  bool late_read_only = false;   // once everything below it is there
  Mount mount;                   // of New: type, data, propagation
  [[nodiscard]] bool has_slot() const { return !std::holds_alternative<New>(source); }
};

struct MountPlan {
  std::vector<Placed> mounts;  // in the order in which they are attached
  std::vector<Device> nodes;   // made by the stage, after the mounts
  bool links = false;          // the usual links of /dev are made by the stage
  bool may_be_shared = false;
  [[nodiscard]] std::uint32_t slots() const;
};

Result<MountPlan> plan_mounts(const Config& config, const Wishes& wishes, const runtime::Host& host,
                              IsFile source_is_file);

// "/a//b/../c" is "/a/c": what a path says before any link is followed. Never above "/".
std::string plain_path(std::string_view path);

// Is it in a user namespace that is not the initial one?
inline bool in_user_namespace(const Config& config, const runtime::Host& host) {
  return config.has_own(Kind::kUser) || !host.initial_user_namespace;
}

}  // namespace convox::oci
