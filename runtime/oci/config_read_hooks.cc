// runtime-spec 1.3, config.md, "POSIX-platform Hooks".
#include "runtime/oci/config_read.h"

namespace convox::oci {

static void read(const Item& item, Hook& hook) {
  item.take("path", hook.path);
  item.take("args", hook.args);
  item.take("env", hook.env);
  item.take("timeout", hook.timeout, std::uint32_t{1}, std::numeric_limits<std::uint32_t>::max());
  if (hook.args.empty()) hook.args.push_back(hook.path);
}

void read(const Item& item, Hooks& hooks) {
  item.take("prestart", hooks.prestart);
  item.take("createRuntime", hooks.create_runtime);
  item.take("createContainer", hooks.create_container);
  item.take("startContainer", hooks.start_container);
  item.take("poststart", hooks.poststart);
  item.take("poststop", hooks.poststop);
}

}  // namespace convox::oci
