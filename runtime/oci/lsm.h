// Which security label does a payload get, and where is it asked for?
//
// Linux security modules decide by labels what a process may touch, beside ids and capabilities. A process asks for the
// label of its next execve by writing to a file below /proc/self/attr: for AppArmor `exec PROFILE`, for SELinux the
// context. With SELinux files are labelled, too; the files of a new file system by its mount option. A label that was
// asked for and cannot be had is an error: the payload would run unconfined.
// apparmor(7), selinux(8), Documentation/admin-guide/LSM, config-linux.md, "Mount Label". Read next: stage/plan.h,
// SetSecurityLabel.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::oci {

struct SecurityModules {
  bool apparmor = false;
  bool apparmor_directory = false;  // /proc/self/attr/apparmor is there (Linux 5.8); `exec` alone is the first module's
  bool selinux = false;
};

// Of the host whose root directory is `root`: /sys and /proc below it. Needed only where a label is asked for.
SecurityModules read_security_modules(int root);

struct SecurityLabel {
  std::string file, value;  // below /proc/self/attr; as SetSecurityLabel takes them
};
// What is to be written before execve; nothing for a profile or label that is absent or empty.
Result<std::vector<SecurityLabel>> security_labels(const std::optional<std::string>& apparmor_profile,
                                                   const std::optional<std::string>& selinux_label,
                                                   const SecurityModules& modules);

// The option `context=LABEL` for a new file system of `type` whose other options are `data`; empty where there is no
// label, where the type has labels of its own (proc, sysfs, cgroup2) or where the options name a context. It is one
// parameter of fsconfig(2), so a comma in the label (`s0:c1,c2`) is not quoted. An mqueue is not labelled so: its file
// system is made with its IPC namespace, and SELinux refuses another context for it. `kind` is `context`, or
// `fscontext`, `defcontext`, `rootcontext` (annotation run.oci.mount_context_type).
Result<std::string> mount_context(std::string_view type, const std::vector<std::string>& data, const std::string& label,
                                  const SecurityModules& modules, std::string_view kind = "context");

}  // namespace convox::oci
