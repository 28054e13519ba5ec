// What a container was launched with is what exec and a restart read back, to the last member.
#include "runtime/config_record.h"

#include <criterion/criterion.h>

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::runtime;

namespace {
ContainerConfig unusual() {
  ContainerConfig config;
  config.id = "0123456789ab";
  config.app = "shop";
  config.service = "web";
  config.argv = {"sh", "-c", "echo \"$A\""};
  config.env = {"A=\x01 \xc3\xa9", "B=\xff\xfe"};
  config.directory = "/srv";
  config.user = "www:33";
  config.namespaces.network = false;
  config.namespaces.time = true;
  config.network = {"shop", {{"udp", "127.0.0.1", 53, 5353, {"10.0.0.0/8"}}}};
  config.capabilities = 0x1;
  config.no_new_privileges = false;
  config.volumes = {{"/a", "/b", true, false, true}};
  config.tmpfs = {{"/tmp", 1 << 20}};
  config.limits.memory_max = 64 << 20;
  config.limits.cpu_max = cgroups::CpuMax{1, 2};
  config.keep = true;
  return config;
}
}  // namespace

Test(config_record, reads_back_what_was_written) {
  const std::string text = print(unusual());
  const auto read = parse_config(text);
  cr_assert(read.has_value(), "%s", read ? "" : read.error().text.c_str());
  expect_text(print(*read), text);
  cr_assert(read->namespaces.time && !read->namespaces.network && !read->no_new_privileges && read->keep);
  cr_assert(read->volumes.size() == 1 && read->volumes[0].make_source && read->limits.cpu_max->period == 2);
  cr_assert(!read->limits.memory_low.has_value());
  cr_assert(read->network.name == "shop" && read->network.published == unusual().network.published);
}

Test(config_record, a_missing_member_is_an_error_and_not_a_default) {
  for (const std::string_view key : {"\"seccomp\"", "\"no_new_privileges\"", "\"capabilities\"", "\"user\"",
                                     "\"pids_max\"", "\"published\"", "\"allow\""}) {
    std::string text = print(unusual());
    text.replace(text.find(key) + 1, 1, "X");
    cr_expect(!parse_config(text).has_value(), "without %s", std::string(key).c_str());
  }
}
