#include "runtime/net/move_link.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "runtime/net/address.h"
#include "runtime/net/link.h"
#include "runtime/net/name_space.h"

namespace convox::net {
namespace {

bool is_pattern(std::string_view name) { return name.find('%') != std::string_view::npos; }

Result<> check_taken(Netlink& there, const std::string& name) {
  if (is_pattern(name)) return ok();
  const Result<Link> taken = find_link(there, name);
  if (taken) return invalid(cat("the container has a link '", name, "' already"));
  if (taken.error().code != ENODEV) return Error(taken.error());
  return ok();
}

// The same index if it is free there, as the kernel does it by itself; else one beyond all others. It is chosen here,
// because afterwards the link is found by it: with a pattern its name is not known.
Result<int> move_one(Netlink& here, Netlink& there, const Link& link, int name_space, const std::string& name) {
  int index = link.index;
  Result<> moved = move_to(here, link, name_space, name, index);
  for (int attempt = 0; !moved && moved.error().code == EBUSY && attempt < 10; ++attempt) {
    index = TRY(highest_index(there)) + 1;
    moved = move_to(here, link, name_space, name, index);
  }
  if (!moved) return std::move(moved).error();
  return index;
}

Result<> settle(Netlink& there, int index, const std::vector<Address>& addresses) {
  const Link link = TRY(find_link(there, index));
  for (const Address& address : addresses)
    if (address.scope == RT_SCOPE_UNIVERSE && (address.flags & IFA_F_PERMANENT)) TRY(add(there, index, address));
  return raise(there, link.name);
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
    links.push_back(TRY(find_link(here, move.host_name), "the host has no such link"));
    TRY(check_taken(there, move.name), "moving ", move.host_name);
  }
  for (std::size_t at = 0; at < moves.size(); ++at) {
    const std::string doing = cat("moving ", moves[at].host_name, " to ", moves[at].name);
    const std::vector<Address> addresses = TRY(list_addresses(here, links[at].index), doing);
    const int index = TRY(move_one(here, there, links[at], target.get(), moves[at].name), doing);
    TRY(settle(there, index, addresses), doing);
  }
  return ok();
}

}  // namespace convox::net
