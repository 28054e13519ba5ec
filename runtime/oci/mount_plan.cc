#include "runtime/oci/mount_plan.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/base/words.h"
#include "runtime/usual_devices.h"

namespace convox::oci {
namespace {

using stage::Target;

// What lxcfs and its like show instead of the kernel's own; nothing else may lie over a part of /proc: a container that
// chose what its runtime reads there could choose what the runtime does (CVE-2019-19921).
constexpr std::string_view kReplaceable[] = {
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
};

bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}
bool is_or_is_below(std::string_view path, std::string_view directory) {
  return path == directory || is_below(path, directory);
}

Result<> check_destination(const Mount& mount, std::string_view target) {
  if (target == "/") return invalid(cat("cannot mount \"", mount.source, "\" over the root of the container"));
  const bool replaceable =
      std::find(std::begin(kReplaceable), std::end(kReplaceable), target) != std::end(kReplaceable);
  if (is_below(target, "/proc") && !replaceable)
    return invalid(cat("\"", target, "\" cannot be mounted because it is inside /proc"));
  if (target == "/proc" && !mount.bind && mount.type != "proc")
    return invalid(cat("\"", target, "\" cannot be mounted because it is not of type proc"));
  return ok();
}

std::vector<Device> usual_devices() {
  std::vector<Device> devices;
  for (const auto& [name, major, minor] : runtime::kUsualDevices)
    devices.push_back({'c', cat("/dev/", name), major, minor});
  return devices;
}

Result<> add_device(std::vector<Device>& devices, Device device) {
  device.path = plain_path(device.path);
  const auto same =
      std::find_if(devices.begin(), devices.end(), [&](const Device& d) { return d.path == device.path; });
  if (same == devices.end()) {
    devices.push_back(std::move(device));
    return ok();
  }
  if (same->type != device.type || same->major != device.major || same->minor != device.minor)
    return invalid(cat("linux.devices: two different devices at ", device.path));
  *same = std::move(device);
  return ok();
}

bool is_mode(std::string_view option) { return option.starts_with("mode="); }

class Planner {
 public:
  Planner(const Config& config, const Wishes& wishes, const runtime::Host& host, IsFile source_is_file)
      : config_(config), wishes_(wishes), host_(host), is_file_(source_is_file) {}

  Result<MountPlan> plan() {
    TRY(settle_devices());
    for (const Mount& mount : config_.mounts) TRY(place(mount));
    if (!wishes_.notify_socket.empty())
      plan_.mounts.push_back({.source = OpenNotify{}, .target = "/run/notify", .attributes = kNotify, .mount = {}});
    if (dev_ != Dev::kForeign) place_nodes();
    return std::move(plan_);
  }

 private:
  static constexpr std::uint64_t kNotify = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

  // Who fills /dev? A mount of something that is there already is left as it is.
  enum class Dev { kHostSide, kStage, kForeign } dev_ = Dev::kStage;

  [[nodiscard]] bool makes_nodes() const {
    return host_.initial_user_namespace && (host_.effective_capabilities & security::bit(CAP_MKNOD)) != 0;
  }
  // Nodes on a file system of the initial user namespace work inside every other; only mknod does not.
  [[nodiscard]] bool stage_makes_nodes() const { return makes_nodes() && !config_.has_own(Kind::kUser); }

  Result<> settle_devices() {
    for (const Mount& mount : config_.mounts) {
      if (plain_path(mount.destination) != "/dev") continue;
      const bool fresh = !mount.bind && mount.type == "tmpfs";
      dev_ = !fresh ? Dev::kForeign : makes_nodes() ? Dev::kHostSide : Dev::kStage;
    }
    if (dev_ != Dev::kForeign) devices_ = usual_devices();
    for (const Device& device : config_.devices) {
      if (dev_ == Dev::kForeign && is_below(plain_path(device.path), "/dev")) continue;
      TRY(add_device(devices_, device));
    }
    // Where the configuration mounts something it wants that: Podman gives a privileged container the host's nodes so.
    std::erase_if(devices_, [&](const Device& device) {
      return std::any_of(config_.mounts.begin(), config_.mounts.end(),
                         [&](const Mount& mount) { return plain_path(mount.destination) == device.path; });
    });
    return ok();
  }

  // sysfs belongs to a network namespace, procfs to a PID namespace, mqueue to an IPC namespace: a user namespace may
  // mount only those that it owns. What it cannot mount is shown as it is outside.
  [[nodiscard]] const char* shown_instead(const Mount& mount) const {
    if (mount.bind || !in_user_namespace(config_, host_)) return nullptr;
    const auto foreign = [&](Kind kind) {
      return !config_.has_own(kind) || (config_.is_new(Kind::kUser) && !config_.is_new(kind));
    };
    if (mount.type == "sysfs" && foreign(Kind::kNetwork)) return "/sys";
    if (mount.type == "proc" && foreign(Kind::kPid)) return "/proc";
    if (mount.type == "mqueue" && foreign(Kind::kIpc)) return "/dev/mqueue";
    return nullptr;
  }

  Result<> place(Mount mount) {
    const std::string target = plain_path(mount.destination);
    TRY(check_destination(mount, target));
    mount.destination = target;
    if (mount.propagation == MS_SHARED || mount.propagation == MS_SLAVE) plan_.may_be_shared = true;
    const bool cgroup = !mount.bind && (mount.type == "cgroup" || mount.type == "cgroup2");
    if (const char* path = shown_instead(mount)) {
      mount.bind = mount.recursive = true;
      mount.source = path;
      mount.recursive_set |= mount.set;  // what it says of the one mount that it asked for
      mount.data.clear();
    } else if (cgroup && !config_.has_own(Kind::kCgroup)) {
      mount.type = "cgroup";  // of the host's view only the container's own group: bound, from a descriptor
      mount.source.clear();
      mount.bind = true;
      mount.data.clear();
    }
    return mount.bind ? place_bind(std::move(mount)) : place_new(std::move(mount));
  }

  Result<> place_bind(Mount mount) {
    if (!mount.source.empty() && mount.source[0] != '/') mount.source = cat(wishes_.bundle, "/", mount.source);
    if (mount.source.empty() && mount.type != "cgroup")
      return invalid(cat("the mount at ", mount.destination, " has no source"));
    const bool file = mount.type != "cgroup" && is_file_(mount.source);
    Placed placed;
    placed.target = mount.destination;
    placed.kind = kind_of(placed.target, file);
    placed.attributes = mount.set | mount.recursive_set;
    placed.whole = mount.recursive;
    placed.below = mount.recursive_set;
    placed.source = OpenBind{std::move(mount), file};
    plan_.mounts.push_back(std::move(placed));
    return ok();
  }

  Result<> place_new(Mount mount) {
    if (mount.idmap != Mount::IdMap::kNone)
      return invalid(cat("the mount at ", mount.destination, " cannot be idmapped: it is no bind mount"));
    if (mount.type == "cgroup") mount.type = "cgroup2";
    if (mount.type.empty()) return invalid(cat("the mount at ", mount.destination, " has no type"));
    const std::string* kind = config_.annotation("run.oci.mount_context_type");
    const std::string label =
        TRY(mount_context(mount.type, mount.data, config_.mount_label, wishes_.modules, kind ? *kind : "context"));
    if (!label.empty()) mount.data.push_back(label);
    if (!mount.source.empty()) mount.data.push_back(cat("source=", mount.source));
    Placed placed;
    placed.target = mount.destination;
    placed.kind = kind_of(placed.target, false);
    placed.attributes = mount.set | mount.recursive_set;
    if (mount.type == "tmpfs" && (placed.attributes & MOUNT_ATTR_RDONLY)) {
      placed.late_read_only = true;  // something may have to be made in it
      placed.attributes &= ~std::uint64_t{MOUNT_ATTR_RDONLY};
    }
    mount.set = placed.attributes;
    placed.takes_mode = mount.type == "tmpfs" && std::none_of(mount.data.begin(), mount.data.end(), is_mode);
    if (placed.target == "/dev" && dev_ == Dev::kHostSide)
      placed.source = MakeDevices{mount, devices_of_dev()};
    else if (mount.type == "tmpfs" && mount.copy_up)
      placed.source = CopyUp{mount};
    placed.mount = std::move(mount);
    plan_.mounts.push_back(std::move(placed));
    return ok();
  }

  [[nodiscard]] std::vector<Device> devices_of_dev() const {
    std::vector<Device> inside;
    for (const Device& device : devices_)
      if (is_below(device.path, "/dev")) inside.push_back(device);
    return inside;
  }

  void place_nodes() {
    plan_.links = dev_ == Dev::kStage;
    for (const Device& device : devices_) {
      if (dev_ == Dev::kHostSide && is_below(device.path, "/dev")) continue;
      if (stage_makes_nodes())
        plan_.nodes.push_back(device);
      else
        plan_.mounts.push_back({.source = OpenNode{device}, .target = device.path, .kind = Target::kFile, .mount = {}});
    }
  }

  // A /dev of somebody else's has mounts in it (devpts, shm), and a place that is named twice is meant to be covered.
  [[nodiscard]] Target kind_of(std::string_view target, bool file) const {
    const bool again = std::any_of(plan_.mounts.begin(), plan_.mounts.end(),
                                   [&](const Placed& earlier) { return earlier.target == target; });
    const bool plain = again || is_or_is_below(target, "/proc") || is_or_is_below(target, "/sys") ||
                       (dev_ == Dev::kForeign && is_below(target, "/dev"));
    if (file) return plain ? Target::kPlainFile : Target::kFile;
    return plain ? Target::kPlainDirectory : Target::kDirectory;
  }

  const Config& config_;
  const Wishes& wishes_;
  const runtime::Host& host_;
  IsFile is_file_;
  std::vector<Device> devices_;
  MountPlan plan_;
};

}  // namespace

std::uint32_t MountPlan::slots() const {
  return static_cast<std::uint32_t>(
      std::count_if(mounts.begin(), mounts.end(), [](const Placed& placed) { return placed.has_slot(); }));
}

std::string plain_path(std::string_view path) {
  std::string plain;
  while (!path.empty()) {
    const std::string_view part = cut(path, '/');
    if (part.empty() || part == ".") continue;
    if (part == "..")
      plain.resize(plain.empty() ? 0 : plain.rfind('/'));
    else
      plain += cat("/", part);
  }
  return plain.empty() ? "/" : plain;
}

bool is_file(const std::string& path) {
  struct stat found {};
  return sys::newfstatat(AT_FDCWD, path.c_str(), &found, 0) == 0 && !S_ISDIR(found.st_mode);
}

Result<MountPlan> plan_mounts(const Config& config, const Wishes& wishes, const runtime::Host& host,
                              IsFile source_is_file) {
  return Planner(config, wishes, host, source_is_file).plan();
}

}  // namespace convox::oci
