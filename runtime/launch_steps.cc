// How are the host side's small steps done: records, storage, groups, id maps, messages?
#include <fcntl.h>

#include "runtime/base/fs.h"
#include "runtime/base/lock.h"
#include "runtime/ending.h"
#include "runtime/launch.h"

namespace convox::runtime {

Result<> Launch::perform(const WriteRecord&) {
  TRY(containers_.write(claim_, plan_.config));
  return containers_.write(claim_, record_);
}

Result<> Launch::perform(const LeaseIds&) {
  first_id_ = TRY(containers_.lease_ids(claim_));
  return ok();
}

Result<> Launch::perform(const MakeStorage&) {
  const UniqueFd all = TRY(containers_.store().containers());
  storage_ = TRY(fs::make_and_open_directory(all.get(), claim_.id, 0700));
  TRY(lock(storage_.get(), LockKind::kExclusive, "the container's storage"));  // gc may look at it just now
  // What is started again goes on with the files that it had.
  const bool again = record_.restarts > 0;
  const auto make = [&](const char* name, unsigned mode) {
    const long made = sys::mkdirat(storage_.get(), name, mode);
    return check(again && made == -EEXIST ? 0 : made, "mkdir", name);
  };
  TRY(make("upper", 0755));
  TRY(make("work", 0700));
  if (record_.detached) TRY(prepare_exit(storage_.get()));
  if (record_.keep) TRY(containers_.keep_storage(claim_.id, record_));  // a reboot takes the other record away
  return ok();
}

Result<> Launch::perform(const MakeCgroup& step) {
  cgroup_ = TRY(cgroups::Cgroup::create(hierarchy_, step.path, {.needed = cgroups::names(step.controllers)}));
  for (const cgroups::Setting& setting : step.settings) TRY(cgroup_->set(setting));
  return ok();
}

Result<> Launch::perform(const CloneChild& step) { return child_.clone({kinds_of(step.namespaces)}, &*cgroup_); }

// Root inside is nobody outside: ids 0 to 65535 are 65,536 host ids that belong to no account.  user_namespaces(7)
Result<> Launch::perform(const WriteIdMaps&) {
  const UniqueFd process = TRY(fs::open(cat("/proc/", child_.pid()), O_PATH | O_DIRECTORY));
  const std::string map = cat("0 ", root_id(), " ", kIdsEach);
  TRY(fs::write_once(process.get(), "uid_map", map));
  TRY(fs::write_once(process.get(), "gid_map", map));
  const long fd = sys::openat(process.get(), "ns/user", O_RDONLY | O_CLOEXEC);
  user_namespace_ = UniqueFd(TRY(check(fd, "open", "ns/user")));
  return ok();
}

Result<> Launch::perform(const LimitMemory& step) { return cgroup_->set(step.setting); }

Result<> Launch::perform(const HandOver&) {
  TRY(child_.hand_over(mounts_));
  mounts_.clear();
  return ok();
}

}  // namespace convox::runtime
