#include "runtime/oci/net_devices.h"

namespace convox::oci {
namespace {
constexpr int kLongest = 20;  // seconds; a link's driver may take one or two to stop
}

Result<> move_net_devices(const std::vector<NetDevice>& devices, const std::string& name_space,
                          const std::string& program) {
  if (devices.empty()) return ok();
  Program run{.path = program, .arguments = {"convox-net", "move", name_space}, .environment = {}, .seconds = kLongest};
  for (const NetDevice& device : devices) {
    run.arguments.push_back(device.host_name);
    run.arguments.push_back(device.name);
  }
  const Finished finished = TRY(run_program(run), "linux.netDevices");
  if (finished.status == 0) return ok();
  if (finished.status > 128)
    return invalid(cat("linux.netDevices: convox-net was killed by signal ", finished.status - 128));
  return invalid(cat("linux.netDevices: ", finished.errors.substr(0, finished.errors.find('\n'))));
}

}  // namespace convox::oci
