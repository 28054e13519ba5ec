#include "runtime/net/netlink.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace convox::net {
namespace {

constexpr std::size_t kRequest = 1024;

// A request in the making: the kernel's two headers at the front of a buffer, attributes behind them.
template <class Header>
struct Request {
  alignas(nlmsghdr) std::array<char, kRequest> buffer{};
  nlmsghdr* message;
  Header* header;
  Request(int type, int flags)
      : message(mnl_nlmsg_put_header(buffer.data())),
        header(static_cast<Header*>(mnl_nlmsg_put_extra_header(message, sizeof(Header)))) {
    message->nlmsg_type = static_cast<std::uint16_t>(type);
    message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  }
};

// Calls `each` for the attributes behind a message's Header.
template <class Header, class Each>
void each_attribute(const nlmsghdr& message, Each each) {
  const auto call = [](const nlattr* attribute, void* context) -> int {
    (*static_cast<Each*>(context))(attribute);
    return MNL_CB_OK;
  };
  mnl_attr_parse(&message, sizeof(Header), call, &each);
}

void read_link(const nlmsghdr& message, Link& link) {
  const auto* header = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  link.index = header->ifi_index;
  link.flags = header->ifi_flags;
  each_attribute<ifinfomsg>(message, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == IFLA_IFNAME) link.name = mnl_attr_get_str(attribute);
  });
}

Address read_address(const nlmsghdr& message) {
  const auto* header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
  Address address{header->ifa_family, header->ifa_prefixlen, header->ifa_scope, header->ifa_flags, {}};
  each_attribute<ifaddrmsg>(message, [&](const nlattr* attribute) {
    const std::uint16_t type = mnl_attr_get_type(attribute);
    if (type == IFA_FLAGS) address.flags = mnl_attr_get_u32(attribute);
    if (type != IFA_LOCAL && type != IFA_ADDRESS && type != IFA_BROADCAST) return;
    const auto* bytes = static_cast<const char*>(mnl_attr_get_payload(attribute));
    address.attributes.emplace_back(type, std::string(bytes, mnl_attr_get_payload_len(attribute)));
  });
  return address;
}

}  // namespace

Result<Netlink> Netlink::open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (!socket) return os_error("socket", "NETLINK_ROUTE", Errno(-errno));
  Netlink netlink(socket);
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) return os_error("bind", "NETLINK_ROUTE", Errno(-errno));
  return netlink;
}

Result<> Netlink::ask(nlmsghdr* request, std::string_view what, std::string_view object, const Message& hear) {
  request->nlmsg_seq = ++sequence_;
  request->nlmsg_flags |= NLM_F_ACK;
  const unsigned port = mnl_socket_get_portid(socket_.get());
  if (mnl_socket_sendto(socket_.get(), request, request->nlmsg_len) < 0) return os_error(what, object, Errno(-errno));
  const auto each = [](const nlmsghdr* message, void* context) -> int {
    const auto& say = *static_cast<const Message*>(context);
    if (say) say(*message);
    return MNL_CB_OK;
  };
  std::vector<char> buffer(std::size_t{1} << 16);
  for (int more = MNL_CB_OK; more > MNL_CB_STOP;) {
    const ssize_t got = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    more = got < 0 ? -1
                   : mnl_cb_run(buffer.data(), static_cast<std::size_t>(got), sequence_, port, each,
                                const_cast<Message*>(&hear));
    if (more < 0) return os_error(what, object, Errno(-errno));
  }
  return ok();
}

Result<Link> Netlink::link(const std::string& name) {
  Request<ifinfomsg> request(RTM_GETLINK, 0);
  mnl_attr_put_strz(request.message, IFLA_IFNAME, name.c_str());
  Link link;
  TRY(ask(request.message, "RTM_GETLINK", name, [&](const nlmsghdr& message) { read_link(message, link); }));
  return link;
}

Result<Link> Netlink::link(int index) {
  Request<ifinfomsg> request(RTM_GETLINK, 0);
  request.header->ifi_index = index;
  Link link;
  TRY(ask(request.message, "RTM_GETLINK", cat(index), [&](const nlmsghdr& message) { read_link(message, link); }));
  return link;
}

Result<int> Netlink::highest_index() {
  Request<ifinfomsg> request(RTM_GETLINK, NLM_F_DUMP);
  int highest = 0;
  TRY(ask(request.message, "RTM_GETLINK", "all", [&](const nlmsghdr& message) {
    Link link;
    read_link(message, link);
    highest = std::max(highest, link.index);
  }));
  return highest;
}

Result<std::vector<Address>> Netlink::addresses(int index) {
  Request<ifaddrmsg> request(RTM_GETADDR, NLM_F_DUMP);
  std::vector<Address> found;
  TRY(ask(request.message, "RTM_GETADDR", cat(index), [&](const nlmsghdr& message) {
    const auto* header = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
    if (header->ifa_index == static_cast<unsigned>(index)) found.push_back(read_address(message));
  }));
  return found;
}

Result<> Netlink::move(const Link& link, int name_space, const std::string& name, int index) {
  Request<ifinfomsg> request(RTM_SETLINK, 0);
  request.header->ifi_index = link.index;
  mnl_attr_put_u32(request.message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(name_space));
  mnl_attr_put_strz(request.message, IFLA_IFNAME, name.c_str());
  mnl_attr_put_u32(request.message, IFLA_NEW_IFINDEX, static_cast<std::uint32_t>(index));
  return ask(request.message, "RTM_SETLINK", link.name);
}

Result<> Netlink::add(int index, const Address& address) {
  // What the kernel itself keeps about an address (permanent, tentative, ...) is not ours to say.
  constexpr std::uint32_t kAsked =
      IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;
  Request<ifaddrmsg> request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  request.header->ifa_family = address.family;
  request.header->ifa_prefixlen = address.prefix;
  request.header->ifa_scope = address.scope;
  request.header->ifa_index = static_cast<unsigned>(index);
  for (const auto& [type, bytes] : address.attributes) mnl_attr_put(request.message, type, bytes.size(), bytes.data());
  mnl_attr_put_u32(request.message, IFA_FLAGS, address.flags & kAsked);
  return ask(request.message, "RTM_NEWADDR", cat(index));
}

Result<> Netlink::raise(const Link& link) {
  Request<ifinfomsg> request(RTM_NEWLINK, 0);
  request.header->ifi_index = link.index;
  request.header->ifi_flags = IFF_UP;
  request.header->ifi_change = IFF_UP;
  return ask(request.message, "RTM_NEWLINK", cat(link.name, " up"));
}

}  // namespace convox::net
