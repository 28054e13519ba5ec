#include "runtime/net/link.h"

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <sys/socket.h>

#include <algorithm>

namespace convox::net {
namespace {

using networks::HardwareAddress;

// A nest is open as long as this lives.
class Nest {
 public:
  Nest(nlmsghdr* message, int type)
      : message_(message), nest_(mnl_attr_nest_start(message, static_cast<std::uint16_t>(type))) {}
  ~Nest() { mnl_attr_nest_end(message_, nest_); }
  Nest(const Nest&) = delete;
  Nest& operator=(const Nest&) = delete;

 private:
  nlmsghdr* message_;
  nlattr* nest_;
};

void put_name(nlmsghdr* message, const std::string& name) { mnl_attr_put_strz(message, IFLA_IFNAME, name.c_str()); }
void put_hardware(nlmsghdr* message, int type, const HardwareAddress& hardware) {
  mnl_attr_put(message, static_cast<std::uint16_t>(type), hardware.size(), hardware.data());
}

Result<Link> read_link(const std::vector<Answer>& answers, std::string_view object) {
  for (const Answer& answer : answers)
    if (const auto* header = header_of<ifinfomsg>(answer, RTM_NEWLINK)) {
      Link link;
      link.index = header->ifi_index;
      link.flags = header->ifi_flags;
      each_attribute<ifinfomsg>(answer, [&](const nlattr* attribute) {
        switch (mnl_attr_get_type(attribute)) {
          case IFLA_IFNAME:
            link.name = read_text(attribute);
            break;
          case IFLA_IFALIAS:
            link.alias = read_text(attribute);
            break;
          case IFLA_MASTER:
            read_value(attribute, link.bridge);
            break;
          case IFLA_MTU:
            read_value(attribute, link.mtu);
            break;
          case IFLA_ADDRESS:
            read_value(attribute, link.hardware);
            break;
          case IFLA_LINKINFO:
            each_nested(attribute, [&](const nlattr* nested) {
              if (mnl_attr_get_type(nested) == IFLA_INFO_KIND) link.kind = read_text(nested);
            });
            break;
          default:
            break;
        }
      });
      return link;
    }
  return os_error("RTM_GETLINK", object, Errno(-EBADMSG));
}

void put_no_own_addresses(nlmsghdr* message) {
  const Nest families(message, IFLA_AF_SPEC);
  const Nest family(message, AF_INET6);
  mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
}

}  // namespace

Result<Link> find_link(Netlink& netlink, const std::string& name) {
  Request<ifinfomsg> request(RTM_GETLINK, 0);
  put_name(request.message, name);
  return read_link(TRY(netlink.ask(request.message, "RTM_GETLINK", name)), name);
}

Result<Link> find_link(Netlink& netlink, int index) {
  Request<ifinfomsg> request(RTM_GETLINK, 0);
  request.header->ifi_index = index;
  return read_link(TRY(netlink.ask(request.message, "RTM_GETLINK", cat(index))), cat(index));
}

Result<int> highest_index(Netlink& netlink) {
  Request<ifinfomsg> request(RTM_GETLINK, NLM_F_DUMP);
  int highest = 0;
  for (const Answer& answer : TRY(netlink.ask(request.message, "RTM_GETLINK", "all")))
    if (const auto* header = header_of<ifinfomsg>(answer, RTM_NEWLINK)) highest = std::max(highest, header->ifi_index);
  return highest;
}

// Without a hardware address that was given, a bridge takes the lowest of its ports' and changes it as they come and
// go, and udev gives a new link one of its own in between (systemd.link(5), MACAddressPolicy). Multicast is flooded as
// broadcast is: a bridge that listens to group reports believes the first member that plays the querier, which then
// decides who hears neighbour solicitations.  RFC 4541
Result<> add_bridge(Netlink& netlink, const std::string& name, const HardwareAddress& hardware) {
  Request<ifinfomsg> request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  put_name(request.message, name);
  put_hardware(request.message, IFLA_ADDRESS, hardware);
  {
    const Nest info(request.message, IFLA_LINKINFO);
    mnl_attr_put_strz(request.message, IFLA_INFO_KIND, "bridge");
    const Nest data(request.message, IFLA_INFO_DATA);
    mnl_attr_put_u8(request.message, IFLA_BR_MCAST_SNOOPING, 0);
  }
  return netlink.tell(request.message, "RTM_NEWLINK", name);
}

// The peer is born where it belongs, so that its name need not be free here and no second message moves it.  veth(4).
// One queue each: the kernel makes as many as there are processors (since 5.13), each with objects in sysfs, and a pair
// without XDP programs uses one.  drivers/net/veth.c, veth_get_num_queues
Result<> add_pair(Netlink& netlink, const Pair& pair) {
  Request<ifinfomsg> request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  nlmsghdr* message = request.message;
  const auto put_end = [&](const std::string& name, const HardwareAddress& hardware) {
    put_name(message, name);
    put_hardware(message, IFLA_ADDRESS, hardware);
    mnl_attr_put_u32(message, IFLA_MTU, pair.bridge.mtu);
    mnl_attr_put_u32(message, IFLA_NUM_TX_QUEUES, 1);
    mnl_attr_put_u32(message, IFLA_NUM_RX_QUEUES, 1);
  };
  put_end(pair.name, pair.hardware);
  mnl_attr_put_u32(message, IFLA_MASTER, static_cast<std::uint32_t>(pair.bridge.index));
  {
    const Nest info(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    const Nest data(message, IFLA_INFO_DATA);
    const Nest peer(message, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(message, sizeof(ifinfomsg));
    put_end(pair.peer, pair.peer_hardware);
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(pair.peer_namespace));
  }
  return netlink.tell(message, "RTM_NEWLINK", cat(pair.name, " with ", pair.peer));
}

Result<> no_own_addresses(Netlink& netlink, const std::string& name) {
  Request<ifinfomsg> request(RTM_NEWLINK, 0);
  put_name(request.message, name);
  put_no_own_addresses(request.message);
  return netlink.tell(request.message, "RTM_NEWLINK", cat(name, " without addresses of its own"));
}

// `locked` is of Linux 5.18. An older kernel passes over an attribute that it does not know; there the firewall's sets
// alone say who may send from which address.  net/bridge/br_netlink.c, br_port_policy
Result<> confine_port(Netlink& netlink, const std::string& name, bool ipv6) {
  Request<ifinfomsg> request(RTM_NEWLINK, 0);
  put_name(request.message, name);
  if (ipv6) put_no_own_addresses(request.message);
  {
    const Nest info(request.message, IFLA_LINKINFO);
    mnl_attr_put_strz(request.message, IFLA_INFO_SLAVE_KIND, "bridge");
    const Nest data(request.message, IFLA_INFO_SLAVE_DATA);
    mnl_attr_put_u8(request.message, IFLA_BRPORT_LEARNING, 0);
    mnl_attr_put_u8(request.message, IFLA_BRPORT_LOCKED, 1);
    // A container that calls itself by a port of the host: where br_netfilter is loaded the frame turns round within
    // the bridge, and a bridge sends nothing out by the port through which it came unless told to.
    mnl_attr_put_u8(request.message, IFLA_BRPORT_MODE, 1);
  }
  return netlink.tell(request.message, "RTM_NEWLINK", cat(name, " as a port that is locked"));
}

// NUD_NOARP: static, so it does not age and a flush of what was learnt leaves it.  bridge(8), fdb
Result<> add_hardware(Netlink& netlink, const Link& port, const HardwareAddress& hardware) {
  Request<ndmsg> request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  request.header->ndm_family = AF_BRIDGE;
  request.header->ndm_ifindex = port.index;
  request.header->ndm_state = NUD_NOARP;
  request.header->ndm_flags = NTF_MASTER;
  put_hardware(request.message, NDA_LLADDR, hardware);
  return netlink.tell(request.message, "RTM_NEWNEIGH", cat(networks::text(hardware), " at ", port.name));
}

Result<> connect(Netlink& netlink, const std::string& name, const Link& bridge) {
  Request<ifinfomsg> request(RTM_NEWLINK, 0);
  put_name(request.message, name);
  mnl_attr_put_u32(request.message, IFLA_MASTER, static_cast<std::uint32_t>(bridge.index));
  return netlink.tell(request.message, "RTM_NEWLINK", cat(name, " as a port of ", bridge.name));
}

Result<> raise(Netlink& netlink, const std::string& name) {
  Request<ifinfomsg> request(RTM_NEWLINK, 0);
  put_name(request.message, name);
  request.header->ifi_flags = IFF_UP;
  request.header->ifi_change = IFF_UP;
  return netlink.tell(request.message, "RTM_NEWLINK", cat(name, " up"));
}

Result<> set_mtu(Netlink& netlink, const Link& link, std::uint32_t mtu) {
  Request<ifinfomsg> request(RTM_NEWLINK, 0);
  request.header->ifi_index = link.index;
  mnl_attr_put_u32(request.message, IFLA_MTU, mtu);
  return netlink.tell(request.message, "RTM_NEWLINK", cat(link.name, " mtu ", mtu));
}

// The kernel takes 255 bytes (IFALIASZ).
Result<> set_alias(Netlink& netlink, const Link& link, std::string_view alias) {
  Request<ifinfomsg> request(RTM_NEWLINK, 0);
  request.header->ifi_index = link.index;
  mnl_attr_put(request.message, IFLA_IFALIAS, std::min<std::size_t>(alias.size(), 255), alias.data());
  return netlink.tell(request.message, "RTM_NEWLINK", cat(link.name, " alias"));
}

Result<> move_to(Netlink& netlink, const Link& link, int name_space, const std::string& name, int index) {
  Request<ifinfomsg> request(RTM_SETLINK, 0);
  request.header->ifi_index = link.index;
  mnl_attr_put_u32(request.message, IFLA_NET_NS_FD, static_cast<std::uint32_t>(name_space));
  put_name(request.message, name);
  mnl_attr_put_u32(request.message, IFLA_NEW_IFINDEX, static_cast<std::uint32_t>(index));
  return netlink.tell(request.message, "RTM_SETLINK", link.name);
}

Result<> remove(Netlink& netlink, const Link& link) {
  Request<ifinfomsg> request(RTM_DELLINK, 0);
  request.header->ifi_index = link.index;
  return netlink.tell(request.message, "RTM_DELLINK", link.name);
}

}  // namespace convox::net
