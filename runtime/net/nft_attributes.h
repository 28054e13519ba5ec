// How are the attributes of a message to nf_tables laid out?
//
// As a tree: each is a length, a type and a value, and a value may be attributes again. Here an attribute is the bytes
// that it is on the wire, made by a pure function, so that `a + b` is a list and `nested(type, a + b)` a branch. libmnl
// writes each of them. Numbers stand in network byte order, and names end with a NUL. netlink(7),
// linux/netfilter/nf_tables.h
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace convox::net::nft {

using Bytes = std::string;

Bytes attribute(std::uint16_t type, std::string_view value);
Bytes text(std::uint16_t type, std::string_view value);
Bytes number(std::uint16_t type, std::uint32_t value);
Bytes nested(std::uint16_t type, std::string_view attributes);

// The bytes of an integer in the order of this machine, as nf_tables keeps what it computes (an interface's index, a
// protocol), and in that of the network, as packets hold it (a port).
template <class Integer>
Bytes in_host_order(Integer value) {
  return Bytes(reinterpret_cast<const char*>(&value), sizeof value);
}
Bytes in_network_order(std::uint16_t value);

// A comment where `nft list ruleset` looks for it: a list of type, length and value of its own, which means nothing to
// the kernel. (udata of libnftnl)
Bytes comment(std::uint16_t type, std::string_view words);
// Is this such a comment, and does it say these words?
bool is_comment(std::string_view user_data, std::string_view words);

}  // namespace convox::net::nft
