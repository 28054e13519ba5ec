// How do the containers of a network find each other by name?
//
// By one hosts(5) file, which all of them see over their /etc/hosts: no daemon answers, and a name is there or gone for
// all at the same moment. Whoever reads it may do so while we write. So it is rows of equal size, and a row is switched
// on and off by its first byte, in a write of one byte: `#` makes it a comment. What is behind that byte is written
// only while it is one.
//
//   127.0.0.1 localhost                            two rows a record: IPv4, then IPv6 (or a comment)
//   ::1 localhost ip6-localhost ip6-loopback
//   10.208.0.23 0123456789ab web web.shop          the id first: what an address is called
//   fd12:3456:789a::17 0123456789ab web web.shop
//   #0.208.0.24 ba9876543210 web web.shop          one that has ended; the next one gets its rows
//
// A row's size divides the buffers of the C libraries (4,096 bytes in glibc, 1,024 in musl), so none of them gets a
// row's beginning from one read(2) and its end from a later one; and it is less than the 512 bytes that a line may have
// in musl (src/network/lookup_name.c).
#pragma once
#include <string>
#include <vector>

#include "runtime/base/result.h"

namespace convox::networks {

inline constexpr std::size_t kNameRow = 256;
inline constexpr std::size_t kNameRecord = 2 * kNameRow;

// All of these: `file` is open for reading and writing, and the caller keeps others from changing it meanwhile.

// The record of localhost, into an empty file.
Result<> begin_names(int file);
// `addresses`: an IPv4 address, and perhaps an IPv6 address.
Result<> add_names(int file, const std::string& id, const std::vector<std::string>& addresses,
                   const std::vector<std::string>& names);
// Nothing happens if it has none.
Result<> remove_names(int file, const std::string& id);

}  // namespace convox::networks
