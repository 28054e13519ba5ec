#include "runtime/net/move_link.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "runtime/base/fs.h"
#include "runtime/net/netlink.h"

namespace convox::net {
namespace {

Result<UniqueFd> open_network_namespace(const std::string& path) {
  UniqueFd file = TRY(fs::open(path, O_RDONLY | O_NONBLOCK));
  // The kernel says by ioctl what kind it is; what is no namespace at all does not know the question.  ioctl_ns(2)
  if (sys::ioctl(file.get(), NS_GET_NSTYPE, 0L) != CLONE_NEWNET)
    return invalid(cat(path, " is not a network namespace"));
  return file;
}

bool is_pattern(std::string_view name) { return name.find('%') != std::string_view::npos; }

Result<> check_taken(Netlink& there, const std::string& name) {
  if (is_pattern(name)) return ok();
  const Result<Link> taken = there.link(name);
  if (taken) return invalid(cat("the container has a link '", name, "' already"));
  if (taken.error().code != ENODEV) return Error(taken.error());
  return ok();
}

// The same index if it is free there, as the kernel does it by itself; else one beyond all others. It is chosen here,
// because afterwards the link is found by it: with a pattern its name is not known.
Result<int> move_one(Netlink& here, Netlink& there, const Link& link, int name_space, const std::string& name) {
  int index = link.index;
  Result<> moved = here.move(link, name_space, name, index);
  for (int attempt = 0; !moved && moved.error().code == EBUSY && attempt < 10; ++attempt) {
    index = TRY(there.highest_index()) + 1;
    moved = here.move(link, name_space, name, index);
  }
  if (!moved) return std::move(moved).error();
  return index;
}

Result<> settle(Netlink& there, int index, const std::vector<Address>& addresses) {
  const Link link = TRY(there.link(index));
  for (const Address& address : addresses)
    if (address.scope == RT_SCOPE_UNIVERSE && (address.flags & IFA_F_PERMANENT)) TRY(there.add(index, address));
  return there.raise(link);
}

}  // namespace

bool is_link_name(std::string_view name, bool pattern) {
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  for (const unsigned char character : name)
    if (character <= ' ' || character == 0x7f || character == '/' || character == ':') return false;
  const std::size_t percent = name.find('%');
  if (percent == std::string_view::npos) return true;
  return pattern && name.substr(percent, 2) == "%d" && name.find('%', percent + 1) == std::string_view::npos;
}

Result<> move_links(const std::string& name_space, const std::vector<Move>& moves) {
  for (const Move& move : moves) {
    if (!is_link_name(move.host_name, false)) return invalid(cat("'", move.host_name, "' is no name of a link"));
    if (!is_link_name(move.name, true)) return invalid(cat("'", move.name, "' is no name of a link"));
    const auto same = [&](const Move& other) { return &other != &move && other.name == move.name; };
    if (!is_pattern(move.name) && std::ranges::any_of(moves, same))
      return invalid(cat("two links cannot be named '", move.name, "'"));
  }
  const UniqueFd target = TRY(open_network_namespace(name_space));
  Netlink here = TRY(Netlink::open());
  TRY(check(sys::setns(target.get(), CLONE_NEWNET), "setns", name_space));
  Netlink there = TRY(Netlink::open());

  std::vector<Link> links;
  for (const Move& move : moves) {
    links.push_back(TRY(here.link(move.host_name), "the host has no such link"));
    TRY(check_taken(there, move.name), "moving ", move.host_name);
  }
  for (std::size_t at = 0; at < moves.size(); ++at) {
    const std::string doing = cat("moving ", moves[at].host_name, " to ", moves[at].name);
    const std::vector<Address> addresses = TRY(here.addresses(links[at].index), doing);
    const int index = TRY(move_one(here, there, links[at], target.get(), moves[at].name), doing);
    TRY(settle(there, index, addresses), doing);
  }
  return ok();
}

}  // namespace convox::net
