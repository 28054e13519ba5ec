#include "runtime/oci/spec.h"

#include <unistd.h>

#include "runtime/base/cat.h"
#include "runtime/oci/features.h"

namespace convox::oci {
namespace {

constexpr std::string_view kProcess = R"(
	"process": {
		"terminal": true,
		"user": {
			"uid": 0,
			"gid": 0
		},
		"args": [
			"/bin/sh"
		],
		"env": [
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"TERM=xterm"
		],
		"cwd": "/",
		"capabilities": {
			"bounding": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			],
			"effective": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			],
			"permitted": [
				"CAP_AUDIT_WRITE",
				"CAP_KILL",
				"CAP_NET_BIND_SERVICE"
			]
		},
		"rlimits": [
			{
				"type": "RLIMIT_NOFILE",
				"hard": 1024,
				"soft": 1024
			}
		],
		"noNewPrivileges": true
	},
	"root": {
		"path": "rootfs",
		"readonly": true
	},
	"hostname": "convox",)";

std::string mount(std::string_view destination, std::string_view type, std::string_view source,
                  std::initializer_list<std::string_view> options) {
  std::string text = cat("\n\t\t{\n\t\t\t\"destination\": \"", destination, "\",\n\t\t\t\"type\": \"", type,
                         "\",\n\t\t\t\"source\": \"", source, "\",\n\t\t\t\"options\": [");
  std::string_view before = "\n\t\t\t\t\"";
  for (const std::string_view option : options) {
    text += cat(before, option, "\"");
    before = ",\n\t\t\t\t\"";
  }
  return text += "\n\t\t\t]\n\t\t}";
}

// A sysfs is shown only to who owns a network namespace, so without one the host's is. The group tty, 5, is none that a
// single mapping knows.  kernel: fs/sysfs/mount.c; devpts in kernel: Documentation/filesystems/devpts.rst
std::string mounts(bool rootless) {
  std::string text = "\n\t\"mounts\": [";
  text += mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}) + ",";
  text += mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}) + ",";
  text += (rootless ? mount("/dev/pts", "devpts", "devpts",
                            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"})
                    : mount("/dev/pts", "devpts", "devpts",
                            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"})) +
          ",";
  text += mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}) + ",";
  text += mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}) + ",";
  if (rootless) {
    text += mount("/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"});
  } else {
    text += mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}) + ",";
    text += mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"});
  }
  return text += "\n\t],";
}

std::string mapping(std::string_view member, unsigned id) {
  return cat("\n\t\t\"", member, "\": [\n\t\t\t{\n\t\t\t\t\"containerID\": 0,\n\t\t\t\t\"hostID\": ", id,
             ",\n\t\t\t\t\"size\": 1\n\t\t\t}\n\t\t],");
}

constexpr std::string_view kResources = R"(
		"resources": {
			"devices": [
				{
					"allow": false,
					"access": "rwm"
				}
			]
		},)";

std::string namespaces(bool rootless) {
  std::string text = "\n\t\t\"namespaces\": [";
  for (const std::string_view type : {"pid", rootless ? "user" : "network", "ipc", "uts", "mount", "cgroup"})
    text += cat(text.back() == '[' ? "" : ",", "\n\t\t\t{\n\t\t\t\t\"type\": \"", type, "\"\n\t\t\t}");
  return text += "\n\t\t],";
}

constexpr std::string_view kPaths = R"(
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
			"/sys/firmware",
			"/sys/devices/virtual/powercap"
		],
		"readonlyPaths": [
			"/proc/bus",
			"/proc/fs",
			"/proc/irq",
			"/proc/sys",
			"/proc/sysrq-trigger"
		]
	})";

}  // namespace

std::string spec_json(bool rootless) {
  return cat("{\n\t\"ociVersion\": \"", std::string_view(kNewestVersion), "\",", kProcess, mounts(rootless),
             "\n\t\"linux\": {", rootless ? mapping("uidMappings", geteuid()) + mapping("gidMappings", getegid()) : "",
             rootless ? "" : kResources, namespaces(rootless), kPaths, "\n}\n");
}

}  // namespace convox::oci
