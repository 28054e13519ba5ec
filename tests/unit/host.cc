// What is read from the kernel's texts, and which hosts are refused: each Host here is written by hand.
#include "runtime/host.h"

#include <criterion/criterion.h>
#include <linux/capability.h>

using namespace convox;
using namespace convox::runtime;

namespace {

Host good_host() {
  Host host;
  host.kernel = {6, 1};
  host.kernel_release = "6.1.0-13-amd64";
  host.effective_capabilities = 1ULL << CAP_SYS_ADMIN;
  host.seccomp_filters = true;
  host.overlay = true;
  return host;
}

}  // namespace

Test(host, a_release_is_two_numbers_and_whatever_follows) {
  struct {
    const char* text;
    KernelRelease release;
  } cases[] = {{"6.1.0-13-amd64", {6, 1}}, {"6.18.5", {6, 18}}, {"5.14", {5, 14}},
               {"10.0-rc1", {10, 0}},      {"7", {7, 0}},       {"", {0, 0}}};
  for (auto& one : cases) cr_assert((parse_release(one.text) == one.release), "%s", one.text);
  cr_assert((KernelRelease{6, 3} > KernelRelease{5, 19}));
  cr_assert((KernelRelease{5, 4} < KernelRelease{5, 14}));
}

Test(host, features_begin_with_the_kernel_that_brought_them) {
  Host host = good_host();
  host.kernel = {5, 18};
  cr_assert(not host.idmapped_layers());
  host.kernel = {5, 19};
  cr_assert(host.idmapped_layers());
  cr_assert(not host.executable_memfd_flag());
  host.kernel = {6, 3};
  cr_assert(host.executable_memfd_flag());
}

Test(host, status_gives_the_effective_ids_and_both_capability_sets) {
  Host host;
  parse_status(
      "Name:\tconvox\nUid:\t1000\t7\t1000\t1000\nCapInh:\t0000000000000001\nCapEff:\t000001ffffffffff\n"
      "CapBnd:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n",
      host);
  cr_assert_eq(host.uid, 7U);
  cr_assert_eq(host.effective_capabilities, 0x1ffffffffffULL);
  cr_assert_eq(host.bounding_capabilities, 0xa80425fbULL);
  cr_assert(host.seccomp_filters);
  cr_assert(host.own_proc);
  parse_status(cat("Pid:\t", sys::getpid(), "\n"), host);
  cr_assert(host.own_proc);
  parse_status(cat("Pid:\t", sys::getpid() + 1, "\n"), host);  // the /proc of another PID namespace
  cr_assert(not host.own_proc);
  parse_status("Seccomp:\t0\n", host);
  cr_assert(not host.seccomp_filters);
}

Test(host, possible_cpus_count_up_to_the_highest) {
  cr_assert_eq(parse_possible_cpus("0-7\n"), 8U);
  cr_assert_eq(parse_possible_cpus("0\n"), 1U);
  cr_assert_eq(parse_possible_cpus("0,2-15\n"), 16U);
  cr_assert_eq(parse_possible_cpus("0-1,5\n"), 6U);
  cr_assert_eq(parse_possible_cpus(""), 1U);
}

Test(host, what_makes_run_impossible_is_named) {
  cr_assert(check_host(good_host()).has_value());
  struct {
    const char* named;
    void (*spoil)(Host&);
  } cases[] = {
      {"too old",
       [](Host& host) {
         host.kernel = {5, 13};
       }},
      {"only root", [](Host& host) { host.uid = 1000; }},
      {"CAP_SYS_ADMIN", [](Host& host) { host.effective_capabilities = ~(1ULL << CAP_SYS_ADMIN); }},
      {"seccomp", [](Host& host) { host.seccomp_filters = false; }},
      {"version 1", [](Host& host) { host.no_cgroups = not_found("cgroup version 1 only"); }},
      {"overlay", [](Host& host) { host.overlay = false; }},
  };
  for (auto& one : cases) {
    Host host = good_host();
    one.spoil(host);
    const Result<> checked = check_host(host);
    cr_assert(not checked.has_value(), "%s", one.named);
    cr_assert_neq(checked.error().text.find(one.named), std::string::npos, "%s", checked.error().text.c_str());
  }
}

Test(host, a_host_without_controllers_or_user_namespaces_can_still_run) {
  Host host = good_host();
  host.cgroups = {};
  host.max_user_namespaces = 0;
  cr_assert(check_host(host).has_value());
  cr_assert(not host.user_namespaces());
}
