#include "runtime/net/conntrack.h"

#include <linux/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>

#include <cerrno>

namespace convox::net {
namespace {

using namespace nft;

// What of the tuple the kernel is to compare: CTA_FILTER_F_CTA_*, net/netfilter/nf_internals.h. Since Linux 5.8. Of
// IPv6 addresses it gives those that differ (ctnetlink_filter_match_tuple takes ipv6_addr_cmp for a yes; seen
// with 6.18), so there the address is compared here alone.
constexpr std::uint32_t kNothing = 0, kSource = 1 << 0, kProtocolNumber = 1 << 3;

bool is_from(std::string_view tuple, std::uint16_t source, std::string_view address) {
  bool same = false;
  each_attribute(tuple, [&](std::uint16_t type, std::string_view value) {
    if (type != CTA_TUPLE_IP) return;
    each_attribute(value, [&](std::uint16_t inner, std::string_view bytes) {
      if (inner == source) same = bytes == address;
    });
  });
  return same;
}

}  // namespace

Result<> forget_conversations(Nftables& kernel, std::string_view address) {
  const bool four = address.size() == 4;
  const std::uint8_t family = four ? NFPROTO_IPV4 : NFPROTO_IPV6;
  const std::uint16_t source = four ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
  const Bytes answers =
      nested(CTA_TUPLE_REPLY, nested(CTA_TUPLE_IP, attribute(source, address)) +
                                  nested(CTA_TUPLE_PROTO, attribute(CTA_PROTO_NUM, Bytes(1, IPPROTO_UDP))));
  const Bytes filter =
      nested(CTA_FILTER,
             attribute(CTA_FILTER_ORIG_FLAGS, in_host_order(kNothing)) +
                 attribute(CTA_FILTER_REPLY_FLAGS, in_host_order(four ? kSource | kProtocolNumber : kProtocolNumber)));
  std::vector<Bytes> found;
  TRY(kernel.ask(kConntrack | IPCTNL_MSG_CT_GET, NLM_F_DUMP, family, answers + filter, "listing connections",
                 [&](const nlmsghdr& message) {
                   Bytes asked;
                   bool ours = false;
                   each_attribute(message, [&](std::uint16_t type, std::string_view value) {
                     if (type == CTA_TUPLE_ORIG) asked = value;
                     if (type == CTA_TUPLE_REPLY) ours = is_from(value, source, address);
                   });
                   if (ours) found.push_back(asked);
                 }));
  for (const Bytes& asked : found) {
    const Result<> gone = kernel.ask(kConntrack | IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family,
                                     nested(CTA_TUPLE_ORIG, asked), "IPCTNL_MSG_CT_DELETE", [](const nlmsghdr&) {});
    if (!gone && gone.error().code != ENOENT) return Error(gone.error());
  }
  return ok();
}

}  // namespace convox::net
