// runtime-spec 1.3, config.md, "Mounts".
#include "runtime/oci/config_read.h"
#include "runtime/oci/mount_options.h"

namespace convox::oci {

void read(const Item& item, IdMapping& mapping) {
  item.take("containerID", mapping.container);
  item.take("hostID", mapping.host);
  item.take("size", mapping.size);
}

void read(const Item& item, Mount& mount) {
  item.take("destination", mount.destination);
  if (!mount.destination.empty() && mount.destination[0] != '/') mount.destination.insert(0, 1, '/');
  item.take("type", mount.type);
  item.take("source", mount.source);
  mount.bind = mount.type == "bind";
  item.elements("options", [&](const Item& option) {
    if (!option.check(option.value().IsString(), "a string")) return;
    if (auto applied = apply_option(mount, option.text()); !applied) option.fail(applied.error().text);
  });
  item.take("uidMappings", mount.uid_mappings);
  item.take("gidMappings", mount.gid_mappings);
  const bool mapped = !mount.uid_mappings.empty() || !mount.gid_mappings.empty();
  if (mapped && mount.idmap == Mount::IdMap::kNone) mount.idmap = Mount::IdMap::kThis;
}

}  // namespace convox::oci
