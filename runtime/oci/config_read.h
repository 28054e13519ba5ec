// Which part of config.json is read where? (For the readers themselves; everybody else takes config.h.)
#pragma once
#include "runtime/oci/config.h"
#include "runtime/oci/item.h"

namespace convox::oci {

void read(const Item& item, Process& process);               // config_read_process.cc
void read(const Item& item, IdMapping& mapping);             // config_read_mounts.cc
void read(const Item& item, Mount& mount);                   //
void read(const Item& item, Hooks& hooks);                   // config_read_hooks.cc
void read_linux(const Item& item, Config& config);           // config_read_linux.cc
void read(const Item& item, cgroups::Resources& resources);  // config_read_resources.cc
// Nothing stays nothing where no default action and no rule is given.
void read(const Item& item, std::optional<security::Profile>& profile);  // config_read_seccomp.cc

}  // namespace convox::oci
