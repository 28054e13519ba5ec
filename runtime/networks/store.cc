#include "runtime/networks/store.h"

#include <fcntl.h>

#include <algorithm>
#include <bitset>
#include <cerrno>

#include "runtime/base/fs.h"
#include "runtime/base/lock.h"
#include "runtime/base/words.h"
#include "runtime/networks/names.h"
#include "runtime/networks/store_links.h"

namespace convox::networks {
namespace {

constexpr const char* kNote = "net";  // in RUN/c/<id>
constexpr std::uint32_t kSlots = kLastSlot - kFirstSlot + 1;

std::string directory_of(const std::string& network) { return cat("n/", network); }

std::string slot_path(const Lease& lease) { return cat(directory_of(lease.network), "/slots/", lease.place.slot); }

bool is_gone(const Error& error) { return error.code == ENOENT; }

// Is the network of that name complete? Its slots come last and go first.
bool is_open(int root, const std::string& network) {
  return sys::faccessat2(root, cat(directory_of(network), "/slots").c_str(), F_OK, 0) == 0;
}

}  // namespace

// --- links --------------------------------------------------------------------------------------------------------

Result<std::optional<std::string>> read_link(int directory, const std::string& path) {
  char target[512];
  const long size = sys::readlinkat(directory, path.c_str(), target, sizeof target);
  if (size == -ENOENT) return std::optional<std::string>();
  TRY(check(size, "readlink", path));
  return std::optional(std::string(target, static_cast<std::size_t>(size)));
}

std::optional<Lease> parse_place(std::string_view text) {
  Lease lease;
  lease.network = cut(text, '/');
  const auto slot = number(text);
  if (!fs::is_component(lease.network) || !slot || *slot < kFirstSlot || *slot > kLastSlot) return {};
  lease.place.slot = static_cast<std::uint32_t>(*slot);
  return lease;
}

Result<std::optional<std::uint32_t>> subnet_of(int root, const std::string& network) {
  const auto link = TRY(read_link(root, cat(directory_of(network), "/subnet")));
  if (!link) return std::optional<std::uint32_t>();
  const auto subnet = number(*link);
  if (!subnet || *subnet >= kSubnets) return invalid(cat("network ", network, " has no usable subnet: ", *link));
  return std::optional(static_cast<std::uint32_t>(*subnet));
}

Result<std::vector<std::string>> list_if_there(int root, const std::string& path) {
  const auto directory = fs::open_beneath(root, path, O_RDONLY | O_DIRECTORY);
  if (!directory && is_gone(directory.error())) return std::vector<std::string>();
  if (!directory) return directory.error();
  return fs::list(directory->get());
}

// --- networks -------------------------------------------------------------------------------------------------------

Result<Store> Store::open(const std::string& run) {
  const UniqueFd directory = TRY(fs::open_private_directory(run), "opening ", run);
  UniqueFd root = TRY(fs::make_and_open_directory(directory.get(), "net", 0700), "opening ", run);
  return Store(cat(run, "/net"), std::move(root));
}

Result<UniqueFd> Store::lock() const {
  UniqueFd file = TRY(fs::open_beneath(root_.get(), "lock", O_RDWR | O_CREAT, 0600));
  TRY(convox::lock(file.get(), LockKind::kExclusive, cat(path_, "/lock")));
  return file;
}

Result<std::optional<Network>> Store::find(const std::string& name) const {
  if (!fs::is_component(name)) return invalid(cat("not a network's name: ", name));
  const auto subnet = TRY(subnet_of(root_.get(), name));
  if (!subnet || !is_open(root_.get(), name)) return std::optional<Network>();
  return std::optional(Network{name, *subnet});
}

Result<std::vector<Network>> Store::list() const {
  std::vector<Network> all;
  for (const std::string& name : TRY(list_if_there(root_.get(), "n")))
    if (auto network = TRY(find(name))) all.push_back(std::move(*network));
  return all;
}

Result<Network> Store::ensure(const std::string& name, const IsFree& is_free) const {
  if (auto there = TRY(find(name))) return std::move(*there);
  const UniqueFd locked = TRY(lock());
  if (auto there = TRY(find(name))) return std::move(*there);
  const UniqueFd all = TRY(fs::make_and_open_directory(root_.get(), "n", 0700));
  TRY(fs::remove_tree(all.get(), name));  // half of one: who made or removed it was killed
  std::bitset<kSubnets> taken;
  for (const Network& other : TRY(list())) taken.set(other.subnet);
  std::uint32_t subnet = first_subnet(name), tried = 0;
  for (; tried < kSubnets && (taken.test(subnet) || !is_free(subnet)); ++tried) subnet = (subnet + 1) % kSubnets;
  if (tried == kSubnets)
    return invalid(cat("every subnet of ", kPool4, " has a network, or a route of this host leads there"))
        .advise("`convox networks gc` removes networks without processes");

  const UniqueFd own = TRY(fs::make_and_open_directory(all.get(), name, 0700));
  TRY(check(sys::symlinkat(cat(subnet).c_str(), own.get(), "subnet"), "symlink", "subnet"));
  {
    const fs::PlainModes modes;  // containers read it as whoever they are
    const UniqueFd hosts = TRY(fs::open_beneath(own.get(), "hosts", O_RDWR | O_CREAT | O_EXCL, 0644));
    TRY(begin_names(hosts.get()));
  }
  TRY(check(sys::mkdirat(own.get(), "slots", 0700), "mkdir", "slots"));
  return Network{name, subnet};
}

Result<bool> Store::remove(const std::string& network) const {
  if (!fs::is_component(network)) return invalid(cat("not a network's name: ", network));
  const UniqueFd locked = TRY(lock());
  const std::string slots = cat(directory_of(network), "/slots");
  const long removed = sys::unlinkat(root_.get(), slots.c_str(), AT_REMOVEDIR);
  if (removed == -ENOTEMPTY || removed == -EEXIST) return false;
  if (removed != -ENOENT) TRY(check(removed, "rmdir", slots));
  const auto all = fs::open_beneath(root_.get(), "n", O_RDONLY | O_DIRECTORY);
  if (!all && is_gone(all.error())) return true;
  if (!all) return all.error();
  TRY(fs::remove_tree(all->get(), network));
  return true;
}

Result<> Store::sweep() const {
  const UniqueFd locked = TRY(lock());
  for (const std::string& name : TRY(list_if_there(root_.get(), "n"))) {
    if (is_open(root_.get(), name)) continue;
    const UniqueFd all = TRY(fs::open_beneath(root_.get(), "n", O_RDONLY | O_DIRECTORY));
    TRY(fs::remove_tree(all.get(), name));
  }
  return ok();
}

Result<std::vector<Member>> Store::members(const std::string& network) const {
  std::vector<Member> all;
  const std::string slots = cat(directory_of(network), "/slots");
  for (const std::string& name : TRY(list_if_there(root_.get(), slots))) {
    const auto slot = number(name);
    const auto id = TRY(read_link(root_.get(), cat(slots, "/", name)));
    if (slot && id) all.push_back({*id, static_cast<std::uint32_t>(*slot)});
  }
  std::ranges::sort(all, {}, &Member::slot);
  return all;
}

// --- leases ---------------------------------------------------------------------------------------------------------

Result<UniqueFd> Store::slots(const std::string& network) const {
  return fs::open_beneath(root_.get(), cat(directory_of(network), "/slots"), O_RDONLY | O_DIRECTORY);
}

Result<Store::Names> Store::names(const std::string& network) const {
  Names names;
  names.locked = TRY(fs::open_beneath(root_.get(), directory_of(network), O_RDONLY | O_DIRECTORY));
  // Not the file: a container can open that, and who can open a file can lock it.
  TRY(convox::lock(names.locked.get(), LockKind::kExclusive, cat("network ", network)));
  names.file = TRY(fs::open_beneath(names.locked.get(), "hosts", O_RDWR));
  return names;
}

Result<UniqueFd> Store::hosts_file(const std::string& network) const {
  return fs::open_beneath(root_.get(), cat(directory_of(network), "/hosts"), O_RDONLY);
}

namespace {

// One attempt; false: the slot is somebody's. The intent first: whoever disposes of this container then knows which
// slot to look at.
Result<bool> take_slot(int directory, const std::string& id, const std::string& network, int slots,
                       std::uint32_t slot) {
  const long gone = sys::unlinkat(directory, kNote, 0);  // of the attempt before this one
  if (gone != -ENOENT) TRY(check(gone, "unlink", kNote));
  TRY(check(sys::symlinkat(cat(network, "/", slot).c_str(), directory, kNote), "symlink", kNote));
  const long made = sys::symlinkat(id.c_str(), slots, cat(slot).c_str());
  if (made == -EEXIST) return false;
  TRY(check(made, "symlink", cat("slot ", slot)));
  return true;
}

Result<std::uint32_t> find_slot(int directory, const std::string& id, const std::string& network, int slots) {
  const std::uint32_t first = first_slot(id);
  if (TRY(take_slot(directory, id, network, slots, first))) return first;
  std::bitset<kLastSlot + 1> taken;
  for (const std::string& name : TRY(fs::list(slots)))
    if (const auto slot = number(name); slot && *slot <= kLastSlot) taken.set(*slot);
  for (std::uint32_t next = 1; next < kSlots; ++next) {
    const std::uint32_t slot = kFirstSlot + (first - kFirstSlot + next) % kSlots;
    if (taken.test(slot)) continue;
    if (TRY(take_slot(directory, id, network, slots, slot))) return slot;
  }
  return invalid(cat("network ", network, " has no free address: ", kSlots, " containers are in it"));
}

}  // namespace

Result<Lease> Store::lease(int directory, const std::string& id, const Network& network,
                           const std::vector<std::string>& known_as, const std::optional<Address6>& prefix) const {
  const UniqueFd slots = TRY(this->slots(network.name));
  Lease lease{network.name, {}};
  lease.place.slot = TRY(find_slot(directory, id, network.name, slots.get()));
  // Asked for once more: now it stays, but it may have been removed and made anew since `ensure`.
  const auto subnet = TRY(subnet_of(root_.get(), network.name));
  if (!subnet) return os_error("readlink", cat(network.name, "/subnet"), Errno(-ENOENT));
  lease.place.subnet = *subnet;
  std::vector<std::string> addresses = {text(address4(lease.place))};
  if (prefix) addresses.push_back(text(address6(*prefix, lease.place)));
  const Names names = TRY(this->names(network.name));
  TRY(add_names(names.file.get(), id, addresses, known_as));
  return lease;
}

Result<std::optional<Lease>> Store::leased(int directory, const std::string& id) const {
  std::optional<Lease> none;
  const auto note = TRY(read_link(directory, kNote));
  if (!note) return none;
  auto lease = parse_place(*note);
  if (!lease) return invalid(cat("not a place in a network: ", *note));
  // The intent may be older than the lease.
  const auto holder = TRY(read_link(root_.get(), slot_path(*lease)));
  if (!holder || *holder != id) return none;
  const auto subnet = TRY(subnet_of(root_.get(), lease->network));
  if (!subnet) return none;
  lease->place.subnet = *subnet;
  return lease;
}

Result<> Store::release(int directory, const std::string& id) const {
  if (const auto lease = TRY(leased(directory, id))) {
    if (TRY(has_ports_to_clear(root_.get(), id))) {
      const UniqueFd locked = TRY(lock());
      TRY(unpublish(id));
    }
    {
      const Names names = TRY(this->names(lease->network));
      TRY(remove_names(names.file.get(), id));
    }
    TRY(check(sys::unlinkat(root_.get(), slot_path(*lease).c_str(), 0), "unlink", slot_path(*lease)));
  }
  const long gone = sys::unlinkat(directory, kNote, 0);
  if (gone != -ENOENT) TRY(check(gone, "unlink", kNote));
  return ok();
}

}  // namespace convox::networks
