#include "runtime/net/nft_attributes.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>

#include <vector>

namespace convox::net::nft {
namespace {

constexpr char kComment = 0;                                    // NFTNL_UDATA_RULE_COMMENT, and a table's
constexpr std::size_t kLongest = UINT16_MAX - MNL_ATTR_HDRLEN;  // an attribute's length has 16 bits

}  // namespace

// A length that wraps would turn the rest of the value into attributes (CVE-2021-43784). Whoever has much to say says
// it in several messages, so this is a mistake of ours, and the program must not go on.
Bytes attribute(std::uint16_t type, std::string_view value) {
  if (value.size() > kLongest) __builtin_trap();
  std::vector<nlmsghdr> room(2 + (value.size() + MNL_ATTR_HDRLEN) / sizeof(nlmsghdr) + 1);
  nlmsghdr* const message = mnl_nlmsg_put_header(room.data());
  mnl_attr_put(message, type, value.size(), value.data());
  const auto* const payload = static_cast<const char*>(mnl_nlmsg_get_payload(message));
  return Bytes(payload, mnl_nlmsg_get_payload_len(message));
}

Bytes text(std::uint16_t type, std::string_view value) { return attribute(type, Bytes(value) + '\0'); }
Bytes number(std::uint16_t type, std::uint32_t value) { return attribute(type, in_host_order(htonl(value))); }
Bytes nested(std::uint16_t type, std::string_view attributes) { return attribute(type | NLA_F_NESTED, attributes); }

Bytes in_network_order(std::uint16_t value) { return in_host_order(htons(value)); }

Bytes comment(std::uint16_t type, std::string_view words) {
  const auto size = static_cast<char>(words.size() + 1);
  return attribute(type, Bytes{kComment, size} + Bytes(words) + '\0');
}

bool is_comment(std::string_view user_data, std::string_view words) {
  const auto size = static_cast<char>(words.size() + 1);
  return user_data == Bytes{kComment, size} + Bytes(words) + '\0';
}

}  // namespace convox::net::nft
