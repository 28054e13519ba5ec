#include "runtime/oci/state.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

#include "cgroups/stats.h"
#include "runtime/base/fs.h"
#include "runtime/base/json.h"
#include "runtime/base/lock.h"
#include "runtime/base/words.h"
#include "runtime/host.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr std::int64_t kVersion = 1;
constexpr const char* kRecord = "state";
constexpr const char* kConfig = "config.json";
constexpr const char* kGate = "gate";
constexpr std::size_t kLargestRecord = 4 << 20;  // annotations are as long as somebody likes
constexpr std::size_t kLargestConfig = 16 << 20;
constexpr std::size_t kLongestId = 1024;
constexpr int kClaimSeconds = 10;
constexpr CgroupDriver kDrivers[] = {CgroupDriver::kCgroupfs, CgroupDriver::kSystemd, CgroupDriver::kDisabled};

std::string_view name(CgroupDriver driver) {
  switch (driver) {
    case CgroupDriver::kCgroupfs:
      return "cgroupfs";
    case CgroupDriver::kSystemd:
      return "systemd";
    case CgroupDriver::kDisabled:
      return "disabled";
  }
  return "";
}

// --- the record ------------------------------------------------------------------------------------------------------
// Each member stands here once: who writes a record visits it with a Printer, who reads one with a Parser.
template <class StateType, class Visitor>
void visit(StateType& state, Visitor& visitor) {
  visitor("oci", state.version);
  visitor("id", state.id);
  visitor("bundle", state.bundle);
  visitor("rootfs", state.rootfs);
  visitor("owner", state.owner);
  visitor("created", state.created);
  visitor("pid", state.pid);
  visitor("start", state.start_time);
  visitor("boot", state.boot);
  visitor("driver", state.driver);
  visitor("cgroup", state.cgroup);
  visitor("made_cgroup", state.made_cgroup);
  visitor("scope", state.scope);
  visitor("resctrl", state.resctrl);
  visitor("own_pids", state.own_pid_namespace);
  visitor("started", state.started);
  visitor("poststart", state.has_poststart);
  visitor("poststop", state.has_poststop);
  visitor("notifies", state.notifies);
  visitor("notify_socket", state.notify_socket);
  visitor("traces", state.traces);
  visitor("namespaces", state.namespaces);
  visitor("user_namespace", state.user_namespace);
  visitor("annotations", state.annotations);
}

struct Printer {
  json::Writer& writer;
  // Paths are bytes, which JSON cannot hold.
  void operator()(const char* key, const std::string& text) const {
    if (text.empty()) return;
    writer.Key(key);
    json::write_bytes(writer, text);
  }
  void operator()(const char* key, bool yes) const {
    if (!yes) return;
    writer.Key(key);
    writer.Bool(true);
  }
  template <std::integral Number>
  void operator()(const char* key, Number number) const {
    writer.Key(key);
    writer.Int64(static_cast<std::int64_t>(number));
  }
  void operator()(const char* key, CgroupDriver driver) const {
    writer.Key(key);
    json::write(writer, name(driver));
  }
  void operator()(const char* key, const Pairs& pairs) const {
    if (pairs.empty()) return;
    writer.Key(key);
    writer.StartObject();
    for (const auto& [name, value] : pairs) {
      writer.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
      json::write(writer, value);
    }
    writer.EndObject();
  }
};

struct Parser {
  const json::Value& document;
  std::optional<Error> wrong;

  const json::Value* find(const char* key) const {
    const auto member = document.FindMember(key);
    return member == document.MemberEnd() ? nullptr : &member->value;
  }
  void refuse(const char* key) {
    if (!wrong) wrong = invalid(cat("state: \"", key, "\" is of the wrong type"));
  }
  void operator()(const char* key, std::string& text) {
    const json::Value* value = find(key);
    if (!value) return;
    if (auto bytes = json::bytes(*value))
      text = *std::move(bytes);
    else
      refuse(key);
  }
  void operator()(const char* key, bool& yes) {
    const json::Value* value = find(key);
    if (value && !value->IsBool()) return refuse(key);
    yes = value && value->GetBool();
  }
  template <std::integral Number>
  void operator()(const char* key, Number& number) {
    const json::Value* value = find(key);
    if (!value || !value->IsInt64() || !std::in_range<Number>(value->GetInt64())) return refuse(key);
    number = static_cast<Number>(value->GetInt64());
  }
  void operator()(const char* key, CgroupDriver& driver) {
    std::string text;
    (*this)(key, text);
    for (const CgroupDriver known : kDrivers)
      if (text == name(known)) {
        driver = known;
        return;
      }
    refuse(key);
  }
  void operator()(const char* key, Pairs& pairs) {
    const json::Value* value = find(key);
    if (!value) return;
    if (!value->IsObject()) return refuse(key);
    for (const auto& member : value->GetObject()) {
      if (!member.value.IsString()) return refuse(key);
      pairs.emplace_back(std::string(member.name.GetString(), member.name.GetStringLength()),
                         std::string(member.value.GetString(), member.value.GetStringLength()));
    }
  }
};

// --- processes -------------------------------------------------------------------------------------------------------
bool has_ended(const UniqueFd& pidfd) {
  pollfd end{pidfd.get(), POLLIN, 0};
  timespec now{};
  return sys::ppoll(&end, 1, &now) != 0;
}

Error does_not_exist(const std::string& id) { return not_found(cat("container `", id, "` does not exist")); }

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '+' ||
         c == '.' || c == '-';
}

}  // namespace

std::string_view name(Status status) {
  switch (status) {
    case Status::kCreating:
      return "creating";
    case Status::kCreated:
      return "created";
    case Status::kRunning:
      return "running";
    case Status::kPaused:
      return "paused";
    case Status::kStopped:
      return "stopped";
  }
  return "";
}

std::string encode(const State& state) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("version");
  writer.Int64(kVersion);
  Printer printer{writer};
  visit(state, printer);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

Result<State> decode(std::string_view text) {
  const json::Document document = TRY(json::parse(text, kRecord));
  if (TRY(json::integer(document, "version")).value_or(0) != kVersion) return invalid("state: unknown version");
  State state;
  Parser parser{document, {}};
  visit(state, parser);
  if (parser.wrong) return *std::move(parser.wrong);
  if (const Result<> id = check_id(state.id); !id) return id.error();
  return state;
}

Result<> check_id(std::string_view id) {
  if (id.empty() || id == "." || id == ".." || id.size() > kLongestId || !std::ranges::all_of(id, is_id_character))
    return invalid("invalid container ID format");
  return ok();
}

std::string cgroup_of(std::string_view cgroups_path, std::string_view id) {
  std::string clean;
  for (std::string_view rest = cgroups_path; !rest.empty();) {
    const std::string_view name = cut(rest, '/');
    if (name.empty() || name == ".") continue;
    if (name == "..")
      clean.erase(clean.find('/') == std::string::npos ? 0 : clean.rfind('/'));
    else
      clean += clean.empty() ? std::string(name) : cat("/", name);
  }
  return clean.empty() ? std::string(id) : clean;
}

// --- the directory ---------------------------------------------------------------------------------------------------
Result<States> States::open(const std::string& root, bool make) {
  if (!make && sys::faccessat2(AT_FDCWD, root.c_str(), 0, 0) == -ENOENT) return States(root, UniqueFd());
  UniqueFd directory = TRY(fs::open_private_directory(root), "opening the state root");
  return States(root, std::move(directory));
}

Result<Claim> States::claim_new(const std::string& id) const {
  TRY(check_id(id));
  const long made = sys::mkdirat(root_.get(), id.c_str(), 0700);
  if (made == -EEXIST) return invalid("container with given ID already exists");
  TRY(check(made, "mkdir", cat(path_, "/", id)));
  auto claimed = claim(id);
  if (!claimed) sys::unlinkat(root_.get(), id.c_str(), AT_REMOVEDIR);  // or the id would be taken; it is empty
  return claimed;
}

Result<Claim> States::claim(const std::string& id) const {
  for (;;) {
    UniqueFd held = TRY(directory(id));
    TRY(lock(held.get(), LockKind::kExclusive, cat("container `", id, "`"), kClaimSeconds));
    // Between open and lock it may have been removed, and another made of that name.
    struct stat locked {
    }, named{};
    TRY(check(sys::newfstatat(held.get(), "", &locked, AT_EMPTY_PATH), "stat", id));
    const long there = sys::newfstatat(root_.get(), id.c_str(), &named, AT_SYMLINK_NOFOLLOW);
    if (there == -ENOENT) return does_not_exist(id);
    TRY(check(there, "stat", id));
    if (locked.st_ino == named.st_ino) return Claim{id, std::move(held)};
  }
}

Result<> States::write(const Claim& claim, const State& state) const {
  return fs::replace(claim.directory.get(), kRecord, encode(state), 0600, fs::Durable::kNo);
}

Result<> States::write_config(const Claim& claim, std::string_view text) const {
  const UniqueFd file =
      TRY(fs::open_beneath(claim.directory.get(), kConfig, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
  return fs::write_all(file.get(), text, kConfig);
}

Result<State> States::read(const std::string& id) const {
  const UniqueFd own = TRY(directory(id));
  auto text = fs::read_once(own.get(), kRecord);
  if (!text && text.error().kind == Error::Kind::kInvalid) text = fs::read(own.get(), kRecord, kLargestRecord);
  auto state = text ? decode(*text) : Result<State>(text.error());
  if (state && state->id == id) return state;
  // While we looked it may have been removed.
  if (TRY(directory(id)); state) return invalid(cat("container `", id, "`: its record is that of another"));
  return invalid(cat("container `", id, "`: its record is damaged: ", state.error().text));
}

Result<std::string> States::config(const std::string& id) const {
  const UniqueFd own = TRY(directory(id));
  return fs::read(own.get(), kConfig, kLargestConfig);
}

Result<UniqueFd> States::directory(const std::string& id) const {
  TRY(check_id(id));
  if (!root_) return does_not_exist(id);
  auto own = fs::open_beneath(root_.get(), id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!own && own.error().code == ENOENT) return does_not_exist(id);
  return own;
}

Result<> States::remove(const Claim& claim) const { return fs::remove_tree(root_.get(), claim.id); }

Result<std::vector<std::string>> States::list() const {
  std::vector<std::string> ids;
  if (!root_) return ids;
  ids = TRY(fs::list(root_.get()));
  std::erase_if(ids, [](const std::string& name) { return !check_id(name); });
  return ids;
}

Result<UniqueFd> States::filter_cache() const { return fs::make_and_open_directory(root_.get(), "@seccomp", 0700); }

// --- is it alive? ----------------------------------------------------------------------------------------------------
// "4711 (any) text)) S 1 ...": the name may hold anything, so count from its last parenthesis.  proc_pid_stat(5)
Result<std::uint64_t> start_time_of(int pid) {
  const std::string path = cat("/proc/", pid, "/stat");
  const std::string text = TRY(fs::read_once(AT_FDCWD, path));
  std::string_view rest(text);
  rest.remove_prefix(std::min(rest.rfind(')'), rest.size() - 1) + 1);
  cut(rest, ' ');
  for (int field = 3; field < 22; ++field) cut(rest, ' ');
  const auto time = number(cut(rest, ' '));
  if (!time) return invalid(cat(path, ": no start time"));
  return *time;
}

// The pidfd comes first: from then on the number cannot be given to another without the start time telling. A process
// whose first thread has ended shows as a zombie while other threads run; the pidfd tells the end of the last.
Result<std::optional<UniqueFd>> find_process(const State& state) {
  std::optional<UniqueFd> none;
  if (state.pid == 0) return none;
  const long opened = sys::pidfd_open(state.pid, 0);
  if (opened == -ESRCH || opened == -EINVAL) return none;  // EINVAL: a thread of somebody has the number now
  UniqueFd pidfd(TRY(check(opened, "pidfd_open", cat(state.pid))));
  const auto start = start_time_of(state.pid);
  if (has_ended(pidfd)) return none;
  if (!start) return start.error();
  if (*start != state.start_time) return none;
  const std::string boot = TRY(runtime::read_boot_id());
  if (boot != state.boot) return none;
  return std::optional<UniqueFd>(std::move(pidfd));
}

Result<bool> is_paused(const State& state, const cgroups::Hierarchy& hierarchy) {
  if (state.cgroup.empty() || hierarchy.mount_point.empty()) return false;
  const auto group = cgroups::Cgroup::open(hierarchy, state.cgroup);
  if (!group) return group.error().kind == Error::Kind::kNotFound ? Result<bool>(false) : group.error();
  return cgroups::is_frozen(*group);
}

Result<Status> status_of(const State& state, bool gate) {
  const auto process = TRY(find_process(state));
  if (!process) return Status::kStopped;
  if (gate) return Status::kCreated;
  if (state.cgroup.empty()) return Status::kRunning;
  const cgroups::Hierarchy hierarchy = TRY(cgroups::read_hierarchy());
  const bool paused = TRY(is_paused(state, hierarchy));
  return paused ? Status::kPaused : Status::kRunning;
}

Result<Status> status_of(const States& states, const State& state) {
  const UniqueFd own = TRY(states.directory(state.id));
  if (state.pid == 0) {
    // Whoever makes it holds the lock. If nobody does, a `create` was killed.
    const long locked = sys::flock(own.get(), LOCK_SH | LOCK_NB);
    return locked == -EWOULDBLOCK ? Status::kCreating : Status::kStopped;
  }
  return status_of(state, sys::faccessat2(own.get(), kGate, 0, AT_SYMLINK_NOFOLLOW) == 0);
}

std::string state_json(const State& state, Status status) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  const auto member = [&writer](const char* key, std::string_view text) {
    writer.Key(key);
    json::write(writer, text);
  };
  writer.StartObject();
  member("ociVersion", state.version);
  member("id", state.id);
  writer.Key("pid");
  writer.Int(status == Status::kStopped ? 0 : state.pid);
  member("status", name(status));
  member("bundle", state.bundle);
  member("rootfs", state.rootfs);
  member("created", state.created);
  Printer{writer}("annotations", state.annotations);
  member("owner", state.owner);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace convox::oci
