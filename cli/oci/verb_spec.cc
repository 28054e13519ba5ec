// convox-oci spec: a config.json to begin with, which runs a shell.
#include <fcntl.h>
#include <unistd.h>

#include "cli/oci/known.h"
#include "runtime/base/fs.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr Flag kFlags[] = {
    {"bundle", 'b', "DIR", "where to write it (the current directory)"},
    {"config", 'f', "FILE", "write this file instead of config.json"},
    {"rootless", 0, "", "for a user who is not root"},
};

constexpr std::string_view kBegin = R"({
  "ociVersion": "1.3.0",
  "process": {
    "terminal": true,
    "user": { "uid": 0, "gid": 0 },
    "args": [ "sh" ],
    "env": [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "TERM=xterm"
    ],
    "cwd": "/",
    "capabilities": {
      "bounding": [ "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" ],
      "effective": [ "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" ],
      "permitted": [ "CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE" ]
    },
    "rlimits": [ { "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 } ],
    "noNewPrivileges": true
  },
  "root": { "path": "rootfs", "readonly": true },
  "hostname": "convox",
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc" },
    {
      "destination": "/dev",
      "type": "tmpfs",
      "source": "tmpfs",
      "options": [ "nosuid", "strictatime", "mode=755", "size=65536k" ]
    },
)";
// Only 0 is mapped without root, so there is no group tty.
constexpr std::string_view kPts = R"(    {
      "destination": "/dev/pts",
      "type": "devpts",
      "source": "devpts",
      "options": [ "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"GID ]
    },
    {
      "destination": "/dev/shm",
      "type": "tmpfs",
      "source": "shm",
      "options": [ "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" ]
    },
    {
      "destination": "/dev/mqueue",
      "type": "mqueue",
      "source": "mqueue",
      "options": [ "nosuid", "noexec", "nodev" ]
    },
)";
constexpr std::string_view kSys = R"(    {
      "destination": "/sys",
      "type": "sysfs",
      "source": "sysfs",
      "options": [ "nosuid", "noexec", "nodev", "ro" ]
    },
    {
      "destination": "/sys/fs/cgroup",
      "type": "cgroup",
      "source": "cgroup",
      "options": [ "nosuid", "noexec", "nodev", "relatime", "ro" ]
    }
  ],
)";
// Without root there is no network of one's own, and sysfs belongs to a network.
constexpr std::string_view kRootlessSys = R"(    {
      "destination": "/sys",
      "type": "none",
      "source": "/sys",
      "options": [ "rbind", "nosuid", "noexec", "nodev", "ro" ]
    }
  ],
)";
constexpr std::string_view kResources = R"(  "linux": {
    "resources": { "devices": [ { "allow": false, "access": "rwm" } ] },
)";
constexpr std::string_view kEnd = R"(    "namespaces": [
      { "type": "pid" },
NETWORK      { "type": "ipc" },
      { "type": "uts" },
USER      { "type": "cgroup" },
      { "type": "mount" }
    ],
    "maskedPaths": [
      "/proc/acpi",
      "/proc/asound",
      "/proc/kcore",
      "/proc/keys",
      "/proc/latency_stats",
      "/proc/timer_list",
      "/proc/timer_stats",
      "/proc/sched_debug",
      "/proc/scsi",
      "/sys/firmware"
    ],
    "readonlyPaths": [
      "/proc/bus",
      "/proc/fs",
      "/proc/irq",
      "/proc/sys",
      "/proc/sysrq-trigger"
    ]
  }
}
)";

std::string with(std::string_view text, std::string_view mark, std::string_view instead) {
  const std::size_t at = text.find(mark);
  return cat(text.substr(0, at), instead, text.substr(at + mark.size()));
}

std::string config_text(bool rootless) {
  std::string text(kBegin);
  text += with(kPts, "GID", rootless ? "" : R"(, "gid=5")");
  text += rootless ? kRootlessSys : kSys;
  if (!rootless)
    return cat(text, kResources, with(with(kEnd, "NETWORK", "      { \"type\": \"network\" },\n"), "USER", ""));
  text += "  \"linux\": {\n";
  for (const auto& [key, id] : {std::pair{"uid", ::geteuid()}, std::pair{"gid", ::getegid()}})
    text += cat("    \"", key, "Mappings\": [ { \"containerID\": 0, \"hostID\": ", id, ", \"size\": 1 } ],\n");
  return text + with(with(kEnd, "NETWORK", ""), "USER", "      { \"type\": \"user\" },\n");
}

Result<int> spec(const Globals&, const Words& words) {
  const std::string path = words.value("config").value_or(cat(words.value("bundle").value_or("."), "/config.json"));
  const long made = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (made == -EEXIST) return invalid(cat(path, " exists; remove it first"));
  const UniqueFd file(TRY(check(made, "open", path)));
  TRY(fs::write_all(file.get(), config_text(words.has("rootless")), path));
  return 0;
}

}  // namespace

const Verb kSpec = {.name = "spec",
                    .usage = "[flags]",
                    .help = "write a config.json to begin with",
                    .flags = kFlags,
                    .least = 0,
                    .most = 0,
                    .needs_root = false,
                    .perform = spec};

}  // namespace convox::oci
