#include "runtime/networks/addresses.h"

#include <arpa/inet.h>

#include <algorithm>

#include "runtime/base/cat.h"

namespace convox::networks {
namespace {

// FNV-1a, whose low bits are good and whose high bits are not for short texts; so MurmurHash3's finaliser behind it,
// after which every bit of the input moves every bit of the output.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325;
  for (const unsigned char byte : text) value = (value ^ byte) * 0x100000001b3;
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccd;
  value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53;
  return value ^ (value >> 33);
}

constexpr std::string_view kDigits = "0123456789abcdef";

std::string hex(std::uint64_t value, std::size_t digits) {
  std::string text(digits, '0');
  for (std::size_t at = digits; at-- > 0; value >>= 4) text[at] = kDigits[value & 0xf];
  return text;
}

// Ids of containers are 12 hex digits. Others are possible only from a caller that does not know that.
constexpr std::size_t kIdDigits = 12;
bool is_id(std::string_view id) {
  return id.size() == kIdDigits && id.find_first_not_of(kDigits) == std::string_view::npos;
}

// Letters, digits and hyphens, the first no hyphen: what is a part of a link's name without a question.
bool is_plain(std::string_view name) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !name.empty() && name[0] != '-' && std::ranges::all_of(name, fits);
}

HardwareAddress marked(const Mark& mark, std::uint32_t number) {
  return {
      mark[0], mark[1], mark[2], mark[3], static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)};
}

constexpr std::size_t kLinkName = 15;  // IFNAMSIZ without its NUL
constexpr std::string_view kBridgePrefix = "cx-";

}  // namespace

// The hash is not a cryptographic one, and need not be: 40 of 128 random bits do not tell the others.
Address6 machine_prefix(std::string_view machine) {
  while (!machine.empty() && static_cast<unsigned char>(machine.back()) <= ' ') machine.remove_suffix(1);
  const std::uint64_t global_id = hash(cat("convox ", machine));
  Address6 prefix{0xfd};  // RFC 4193, 3.1: fc00::/7, and the bit that says locally assigned
  for (std::size_t byte = 0; byte < 5; ++byte) prefix[1 + byte] = static_cast<std::uint8_t>(global_id >> (8 * byte));
  return prefix;
}

Address4 address4(Place place) {
  const std::uint32_t value = 0x0ad00000 + (place.subnet << (32 - kPrefix4)) + place.slot;  // 10.208.0.0
  return {static_cast<std::uint8_t>(value >> 24), static_cast<std::uint8_t>(value >> 16),
          static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}

Address6 address6(const Address6& machine_prefix, Place place) {
  Address6 address = machine_prefix;
  address[6] = static_cast<std::uint8_t>(place.subnet >> 8);
  address[7] = static_cast<std::uint8_t>(place.subnet);
  address[14] = static_cast<std::uint8_t>(place.slot >> 8);
  address[15] = static_cast<std::uint8_t>(place.slot);
  return address;
}

std::string text(const Address4& address) {
  std::array<char, INET_ADDRSTRLEN> buffer{};
  return ::inet_ntop(AF_INET, address.data(), buffer.data(), buffer.size());
}

std::string text(const Address6& address) {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  return ::inet_ntop(AF_INET6, address.data(), buffer.data(), buffer.size());
}

HardwareAddress hardware_address(std::string_view id) {
  const std::string digits = is_id(id) ? std::string(id) : hex(hash(id), kIdDigits);
  HardwareAddress hardware{};
  for (std::size_t at = 0; at < digits.size(); ++at)
    hardware[at / 2] = static_cast<std::uint8_t>(hardware[at / 2] << 4 | kDigits.find(digits[at]));
  hardware[0] = static_cast<std::uint8_t>((hardware[0] & ~0x01) | 0x02);
  return hardware;
}

HardwareAddress bridge_hardware(std::uint32_t subnet) { return marked(kBridgeMark, subnet); }
HardwareAddress port_hardware(std::uint32_t slot) { return marked(kPortMark, slot); }
bool has_mark(const HardwareAddress& hardware, const Mark& mark) {
  return std::equal(mark.begin(), mark.end(), hardware.begin());
}

std::string text(const HardwareAddress& hardware) {
  std::string text;
  for (const std::uint8_t byte : hardware) text += cat(text.empty() ? "" : ":", hex(byte, 2));
  return text;
}

Address6 link_local(const HardwareAddress& hardware) {
  return {0xfe,        0x80,        0,
          0,           0,           0,
          0,           0,           static_cast<std::uint8_t>(hardware[0] ^ 0x02),
          hardware[1], hardware[2], 0xff,
          0xfe,        hardware[3], hardware[4],
          hardware[5]};
}

// A plain name never begins with a hyphen, so cx--<hash> is nobody's own name.
std::string bridge_name(std::string_view network) {
  if (kBridgePrefix.size() + network.size() <= kLinkName && is_plain(network)) return cat(kBridgePrefix, network);
  return cat(kBridgePrefix, "-", hex(hash(network), kLinkName - kBridgePrefix.size() - 1));
}

// What follows cx is a hexadecimal digit or `_`, never the hyphen of a bridge.
std::string link_name(std::string_view id) { return is_id(id) ? cat("cx", id) : cat("cx_", hex(hash(id), kIdDigits)); }

std::uint32_t first_subnet(std::string_view network) { return static_cast<std::uint32_t>(hash(network) % kSubnets); }

std::uint32_t first_slot(std::string_view id) {
  return kFirstSlot + static_cast<std::uint32_t>(hash(id) % (kLastSlot - kFirstSlot + 1));
}

}  // namespace convox::networks
