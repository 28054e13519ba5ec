#include "runtime/oci/mount_options.h"

#include <sys/mount.h>

#include <algorithm>

#include "runtime/base/words.h"

namespace convox::oci {
namespace {

enum class What {
  kNothing,       // what happens anyway
  kSet,           // an attribute
  kClear,         // its opposite
  kAccessTime,    // one of three modes
  kNoAccessTime,  // its opposite: the kernel's default, unless another mode was asked for
  kBind,          // value: MS_REC or 0
  kPropagation,   // value: MS_*, with MS_REC
  kSuperblock,    // a flag of the file system
  kNoSuperblock,  // its opposite: what comes after `no`, or `sync`
  kCopyUp,
  kIdMap,  // value: MS_REC or 0
};

struct Option {
  std::string_view name;
  What what;
  std::uint64_t value = 0;
  bool recursive = false;  // for all mounts below too: mount_setattr(2), AT_RECURSIVE
};

// `remount` changes nothing here: what the entry asks for is mounted anew, with these options, on what was there.
// `silent` keeps the kernel's log quiet, and i_version is kept by every file system that can since Linux 6.1.
constexpr Option kOptions[] = {
    {"async", What::kNoSuperblock},
    {"atime", What::kNoAccessTime, MOUNT_ATTR_NOATIME},
    {"bind", What::kBind},
    {"defaults", What::kNothing},
    {"dev", What::kClear, MOUNT_ATTR_NODEV},
    {"diratime", What::kClear, MOUNT_ATTR_NODIRATIME},
    {"dirsync", What::kSuperblock},
    {"exec", What::kClear, MOUNT_ATTR_NOEXEC},
    {"idmap", What::kIdMap},
    {"iversion", What::kNothing},
    {"lazytime", What::kSuperblock},
    {"loud", What::kNothing},
    {"mand", What::kSuperblock},
    {"noatime", What::kAccessTime, MOUNT_ATTR_NOATIME},
    {"nodev", What::kSet, MOUNT_ATTR_NODEV},
    {"nodiratime", What::kSet, MOUNT_ATTR_NODIRATIME},
    {"noexec", What::kSet, MOUNT_ATTR_NOEXEC},
    {"noiversion", What::kNothing},
    {"nolazytime", What::kNoSuperblock},
    {"nomand", What::kNoSuperblock},
    {"norelatime", What::kNoAccessTime, MOUNT_ATTR_RELATIME},
    {"nostrictatime", What::kNoAccessTime, MOUNT_ATTR_STRICTATIME},
    {"nosuid", What::kSet, MOUNT_ATTR_NOSUID},
    {"nosymfollow", What::kSet, MOUNT_ATTR_NOSYMFOLLOW},
    {"private", What::kPropagation, MS_PRIVATE},
    {"ratime", What::kNoAccessTime, MOUNT_ATTR_NOATIME, true},
    {"rbind", What::kBind, MS_REC},
    {"rdev", What::kClear, MOUNT_ATTR_NODEV, true},
    {"rdiratime", What::kClear, MOUNT_ATTR_NODIRATIME, true},
    {"relatime", What::kAccessTime, MOUNT_ATTR_RELATIME},
    {"remount", What::kNothing},
    {"rexec", What::kClear, MOUNT_ATTR_NOEXEC, true},
    {"ridmap", What::kIdMap, MS_REC},
    {"rnoatime", What::kAccessTime, MOUNT_ATTR_NOATIME, true},
    {"rnodev", What::kSet, MOUNT_ATTR_NODEV, true},
    {"rnodiratime", What::kSet, MOUNT_ATTR_NODIRATIME, true},
    {"rnoexec", What::kSet, MOUNT_ATTR_NOEXEC, true},
    {"rnorelatime", What::kNoAccessTime, MOUNT_ATTR_RELATIME, true},
    {"rnostrictatime", What::kNoAccessTime, MOUNT_ATTR_STRICTATIME, true},
    {"rnosuid", What::kSet, MOUNT_ATTR_NOSUID, true},
    {"rnosymfollow", What::kSet, MOUNT_ATTR_NOSYMFOLLOW, true},
    {"ro", What::kSet, MOUNT_ATTR_RDONLY},
    {"rprivate", What::kPropagation, MS_PRIVATE | MS_REC},
    {"rrelatime", What::kAccessTime, MOUNT_ATTR_RELATIME, true},
    {"rro", What::kSet, MOUNT_ATTR_RDONLY, true},
    {"rrw", What::kClear, MOUNT_ATTR_RDONLY, true},
    {"rshared", What::kPropagation, MS_SHARED | MS_REC},
    {"rslave", What::kPropagation, MS_SLAVE | MS_REC},
    {"rstrictatime", What::kAccessTime, MOUNT_ATTR_STRICTATIME, true},
    {"rsuid", What::kClear, MOUNT_ATTR_NOSUID, true},
    {"rsymfollow", What::kClear, MOUNT_ATTR_NOSYMFOLLOW, true},
    {"runbindable", What::kPropagation, MS_UNBINDABLE | MS_REC},
    {"rw", What::kClear, MOUNT_ATTR_RDONLY},
    {"shared", What::kPropagation, MS_SHARED},
    {"silent", What::kNothing},
    {"slave", What::kPropagation, MS_SLAVE},
    {"strictatime", What::kAccessTime, MOUNT_ATTR_STRICTATIME},
    {"suid", What::kClear, MOUNT_ATTR_NOSUID},
    {"symfollow", What::kClear, MOUNT_ATTR_NOSYMFOLLOW},
    {"sync", What::kSuperblock},
    {"tmpcopyup", What::kCopyUp},
    {"unbindable", What::kPropagation, MS_UNBINDABLE},
};

// Of crun alone: how links at either end are to be followed, which here is not a choice.
constexpr std::string_view kRefused[] = {"copy-symlink", "dest-nofollow", "src-nofollow"};

// The access-time modes are one field: who sets one must clear the field in the same call.  mount_setattr(2)
constexpr std::uint64_t kAccessTimes = MOUNT_ATTR__ATIME;

void apply(std::uint64_t& set, std::uint64_t& clear, const Option& option) {
  switch (option.what) {
    case What::kSet:
      set |= option.value;
      clear &= ~option.value;
      return;
    case What::kClear:
      set &= ~option.value;
      clear |= option.value;
      return;
    case What::kNoAccessTime:
      if ((clear & kAccessTimes) && (set & kAccessTimes) != option.value) return;
      set &= ~kAccessTimes;
      clear |= kAccessTimes;
      return;
    default:
      set = (set & ~kAccessTimes) | option.value;
      clear |= kAccessTimes;
  }
}

// "0-1000-10#10-2000-5": from, to and how many.
Result<std::vector<IdMapping>> ranges(std::string_view text) {
  std::vector<IdMapping> made;
  while (!text.empty()) {
    std::string_view range = cut(text, '#');
    if (range.starts_with('@')) return invalid("idmap: ranges relative to the container (@) are not supported");
    const auto from = number(cut(range, '-')), to = number(cut(range, '-')), size = number(range);
    constexpr std::uint64_t most = 0xffffffff;
    if (!from || !to || !size || *from > most || *to > most || *size > most)
      return invalid("idmap: a range is FROM-TO-SIZE");
    made.push_back({.container = static_cast<std::uint32_t>(*from),
                    .host = static_cast<std::uint32_t>(*to),
                    .size = static_cast<std::uint32_t>(*size)});
  }
  return made;
}

// crun: "uids=RANGES;gids=RANGES".
Result<> map_ids(Mount& mount, std::string_view text) {
  mount.uid_mappings.clear();
  mount.gid_mappings.clear();
  while (!text.empty()) {
    std::string_view value = cut(text, ';');
    const std::string_view key = cut(value, '=');
    if (key != "uids" && key != "gids") return invalid(cat("idmap: \"", key, "\" is neither uids nor gids"));
    (key == "uids" ? mount.uid_mappings : mount.gid_mappings) = TRY(ranges(value));
  }
  return ok();
}

}  // namespace

Result<> apply_option(Mount& mount, std::string_view word) {
  if (word.empty()) return ok();
  std::string_view mappings = word;
  const std::string_view name = cut(mappings, '=');
  const bool maps = word.size() != name.size() && (name == "idmap" || name == "ridmap");
  const auto wanted = [&](const Option& option) { return option.name == (maps ? name : word); };
  const auto* option = std::find_if(std::begin(kOptions), std::end(kOptions), wanted);
  if (option == std::end(kOptions)) {
    if (std::find(std::begin(kRefused), std::end(kRefused), word) != std::end(kRefused))
      return invalid(cat("the mount option ", word, " is not supported"));
    mount.data.emplace_back(word);
    return ok();
  }
  switch (option->what) {
    case What::kNothing:
      break;
    case What::kSet:
    case What::kClear:
    case What::kAccessTime:
    case What::kNoAccessTime:
      apply(option->recursive ? mount.recursive_set : mount.set,
            option->recursive ? mount.recursive_clear : mount.clear, *option);
      break;
    case What::kBind:  // `bind` after `rbind` takes nothing back: mount(2), MS_BIND and MS_REC are two flags
      mount.bind = true;
      mount.recursive |= option->value != 0;
      break;
    case What::kPropagation:
      mount.propagation = option->value & ~std::uint64_t{MS_REC};
      mount.propagation_recursive = (option->value & MS_REC) != 0;
      break;
    case What::kSuperblock:
      std::erase(mount.data, word);
      mount.data.emplace_back(word);
      break;
    case What::kNoSuperblock:
      std::erase(mount.data, word == "async" ? "sync" : word.substr(2));
      break;
    case What::kCopyUp:
      mount.copy_up = true;
      break;
    case What::kIdMap:
      mount.idmap = option->value ? Mount::IdMap::kRecursive : Mount::IdMap::kThis;
      if (maps) return map_ids(mount, mappings);
      break;
  }
  return ok();
}

std::vector<std::string_view> mount_option_names() {
  std::vector<std::string_view> names;
  for (const Option& option : kOptions) names.push_back(option.name);
  return names;
}

}  // namespace convox::oci
