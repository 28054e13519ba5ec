#include "runtime/oci/lsm.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/fs.h"

namespace convox::oci {
namespace {

constexpr std::string_view kContexts[] = {"context", "fscontext", "defcontext", "rootcontext"};
constexpr std::string_view kLabelled[] = {"tmpfs", "ramfs", "devpts"};

bool is_there(int root, const char* path) { return sys::faccessat2(root, path, F_OK, 0) == 0; }

// The kernel reads a label up to the end of the write; a line's end in it would be a second label to somebody.
Result<> check_text(std::string_view what, std::string_view text) {
  if (text.size() > 4095 || text.find('\0') != std::string_view::npos || text.find('\n') != std::string_view::npos)
    return invalid(cat(what, ": more than 4095 bytes, or a NUL or line's end in it"));
  return ok();
}

}  // namespace

SecurityModules read_security_modules(int root) {
  // The module's own word: built in but switched off (apparmor=0) it has all its directories and says N.
  const Result<std::string> enabled = fs::read_once(root, "sys/module/apparmor/parameters/enabled");
  return {.apparmor = enabled && (*enabled).starts_with('Y'),
          .apparmor_directory = is_there(root, "proc/self/attr/apparmor/exec"),
          .selinux = is_there(root, "sys/fs/selinux/enforce")};
}

Result<std::vector<SecurityLabel>> security_labels(const std::optional<std::string>& apparmor_profile,
                                                   const std::optional<std::string>& selinux_label,
                                                   const SecurityModules& modules) {
  std::vector<SecurityLabel> labels;
  if (apparmor_profile && !apparmor_profile->empty()) {
    TRY(check_text("process.apparmorProfile", *apparmor_profile));
    if (!modules.apparmor)
      return invalid(cat("process.apparmorProfile is '", *apparmor_profile, "', but AppArmor is off on this host"));
    labels.push_back({modules.apparmor_directory ? "apparmor/exec" : "exec", cat("exec ", *apparmor_profile)});
  }
  if (selinux_label && !selinux_label->empty()) {
    TRY(check_text("process.selinuxLabel", *selinux_label));
    if (!modules.selinux)
      return invalid(cat("process.selinuxLabel is '", *selinux_label, "', but SELinux is off on this host"));
    if (!labels.empty() && labels.front().file == "exec")
      return invalid("process.apparmorProfile and process.selinuxLabel: this kernel has one file for both");
    labels.push_back({"exec", *selinux_label});
  }
  return labels;
}

Result<std::string> mount_context(std::string_view type, const std::vector<std::string>& data, const std::string& label,
                                  const SecurityModules& modules, std::string_view kind) {
  if (label.empty()) return std::string();
  TRY(check_text("linux.mountLabel", label));
  if (std::ranges::find(kContexts, kind) == std::end(kContexts))
    return invalid(cat("run.oci.mount_context_type: there is no '", kind, "'"));
  if (!modules.selinux) return invalid(cat("linux.mountLabel is '", label, "', but SELinux is off on this host"));
  if (std::ranges::find(kLabelled, type) == std::end(kLabelled)) return std::string();
  for (const std::string& option : data)
    if (std::ranges::find(kContexts, std::string_view(option).substr(0, option.find('='))) != std::end(kContexts))
      return std::string();
  return cat(kind, '=', label);
}

}  // namespace convox::oci
