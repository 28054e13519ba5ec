// Is a security label asked for in the right file, and refused where it cannot be had?
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "runtime/oci/lsm.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::oci;

namespace {

// A directory that plays a host's root.
struct PlayedRoot : TemporaryDirectory {
  void put(const std::string& path, std::string_view content) const {
    for (std::size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      sys::mkdirat(fd(), path.substr(0, slash).c_str(), 0700);
    const UniqueFd file(sys::openat(fd(), path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    cr_assert(fs::write_all(file.get(), content, path).has_value());
  }
};

std::string told(const Result<std::vector<SecurityLabel>>& labels) {
  if (!labels) return cat("error: ", labels.error().text);
  std::string text;
  for (const SecurityLabel& label : *labels) text += cat(label.file, '=', label.value, ';');
  return text;
}

constexpr SecurityModules kAppArmor{.apparmor = true, .apparmor_directory = true}, kSelinux{.selinux = true};

std::string context(std::string_view type, std::vector<std::string> data, const std::string& label,
                    const SecurityModules& modules = kSelinux, std::string_view kind = "context") {
  const Result<std::string> option = mount_context(type, data, label, modules, kind);
  return option ? *option : cat("error: ", option.error().text);
}

}  // namespace

Test(oci_lsm, a_host_without_modules_has_none) {
  const PlayedRoot root;
  const SecurityModules modules = read_security_modules(root.fd());
  cr_assert(modules.apparmor == false && !modules.apparmor_directory && !modules.selinux);
}

Test(oci_lsm, apparmor_is_on_only_if_it_says_so) {
  const PlayedRoot root;
  root.put("sys/kernel/security/apparmor/profiles", "");
  root.put("sys/module/apparmor/parameters/enabled", "N\n");
  cr_assert(read_security_modules(root.fd()).apparmor == false);
  root.put("sys/module/apparmor/parameters/enabled", "Y\n");
  cr_assert(read_security_modules(root.fd()).apparmor);
  cr_assert(read_security_modules(root.fd()).apparmor_directory == false);
  root.put("proc/self/attr/apparmor/exec", "");
  cr_assert(read_security_modules(root.fd()).apparmor_directory);
  cr_assert(read_security_modules(root.fd()).selinux == false);
}

Test(oci_lsm, selinux_is_on_if_its_file_system_is_there) {
  const PlayedRoot root;
  root.put("sys/fs/selinux/enforce", "0");
  cr_assert(read_security_modules(root.fd()).selinux, "permissive is on: labels are kept");
}

Test(oci_lsm, a_label_goes_to_its_modules_file) {
  expect_text(told(security_labels("p", std::nullopt, kAppArmor)), "apparmor/exec=exec p;");
  expect_text(told(security_labels("p", std::nullopt, {.apparmor = true})), "exec=exec p;");
  expect_text(told(security_labels(std::nullopt, "u:r:t:s0:c1,c2", kSelinux)), "exec=u:r:t:s0:c1,c2;");
  const SecurityModules both{.apparmor = true, .apparmor_directory = true, .selinux = true};
  expect_text(told(security_labels("p", "l", both)), "apparmor/exec=exec p;exec=l;");
  expect_text(told(security_labels("p", "l", {.apparmor = true, .selinux = true})),
              "error: process.apparmorProfile and process.selinuxLabel: this kernel has one file for both");
}

Test(oci_lsm, nothing_asked_is_nothing_written_on_any_host) {
  for (const SecurityModules& modules : {SecurityModules{}, kAppArmor, kSelinux}) {
    expect_text(told(security_labels(std::nullopt, std::nullopt, modules)), "");
    expect_text(told(security_labels("", "", modules)), "");
    expect_text(context("tmpfs", {}, "", modules), "");
  }
}

Test(oci_lsm, a_label_that_cannot_be_had_is_an_error) {
  expect_text(told(security_labels("p", std::nullopt, kSelinux)),
              "error: process.apparmorProfile is 'p', but AppArmor is off on this host");
  expect_text(told(security_labels("unconfined", std::nullopt, {.apparmor_directory = true})),
              "error: process.apparmorProfile is 'unconfined', but AppArmor is off on this host");
  expect_text(told(security_labels(std::nullopt, "l", kAppArmor)),
              "error: process.selinuxLabel is 'l', but SELinux is off on this host");
  expect_text(context("tmpfs", {}, "l", kAppArmor), "error: linux.mountLabel is 'l', but SELinux is off on this host");
  for (const std::string& bad : {std::string("a\nb"), std::string("a\0b", 3), std::string(5000, 'x')}) {
    cr_assert(security_labels(bad, std::nullopt, kAppArmor).has_value() == false);
    cr_assert(security_labels(std::nullopt, bad, kSelinux).has_value() == false);
    cr_assert(mount_context("tmpfs", {}, bad, kSelinux).has_value() == false);
  }
}

Test(oci_lsm, a_mount_label_is_an_option_of_new_file_systems_that_have_no_labels_of_their_own) {
  const std::string label = "system_u:object_r:container_file_t:s0:c1,c2";
  expect_text(context("tmpfs", {"mode=755"}, label), cat("context=", label));
  expect_text(context("devpts", {}, label, kSelinux, "rootcontext"), cat("rootcontext=", label));
  for (const char* type : {"proc", "sysfs", "cgroup2", "cgroup", "mqueue", "bind", ""})
    expect_text(context(type, {}, label), "");
  for (const char* option : {"context=x", "fscontext=x", "defcontext=x", "rootcontext=x"})
    expect_text(context("tmpfs", {"size=1m", option}, label), "");
  expect_text(context("tmpfs", {"contextual=1"}, label), cat("context=", label));
  expect_text(context("tmpfs", {}, label, kSelinux, "seclabel"),
              "error: run.oci.mount_context_type: there is no 'seclabel'");
}
