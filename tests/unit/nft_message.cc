// Are the messages to nf_tables, byte for byte, what nft(8) would send?
//
// The bytes were written down from `nft --debug=mnl` of version 1.0.6.
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "runtime/net/nft_batch.h"
#include "runtime/net/nftables.h"
#include "runtime/net/port_rules.h"
#include "tests/support/needs.h"

using namespace convox;
using namespace convox::net;
using namespace convox::net::nft;

namespace {

const Table kTable{NFPROTO_INET, "convox"};

// As `nft` shows bytes: four in a group.
std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at % 4 == 0 && at > 0) text += ' ';
    const auto byte = static_cast<unsigned char>(bytes[at]);
    text += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

// The messages of a batch, without begin and end.
std::vector<std::string> messages(const Batch& batch) {
  const Bytes bytes = batch.bytes(0);
  std::vector<std::string> all;
  int left = static_cast<int>(bytes.size());
  for (auto* at = reinterpret_cast<const nlmsghdr*>(bytes.data()); mnl_nlmsg_ok(at, left);
       at = mnl_nlmsg_next(at, &left))
    all.emplace_back(reinterpret_cast<const char*>(at), at->nlmsg_len);
  all.erase(all.begin());
  all.pop_back();
  return all;
}

std::string ranges(const std::vector<Range>& all) {
  std::string text;
  for (const Range& range : all) text += cat(text.empty() ? "" : ", ", hex(range.first), "-", hex(range.last));
  return text;
}

std::vector<Range> parsed(std::initializer_list<std::string> cidrs) {
  std::vector<Range> all;
  for (const std::string& cidr : cidrs) {
    auto one = range(cidr);
    cr_assert(one.has_value(), "%s", cidr.c_str());
    all.push_back(*one);
  }
  return all;
}

}  // namespace

Test(nft_message, an_attribute_is_padded_and_a_number_stands_in_network_order) {
  EXPECT_TEXT(hex(text(1, "convox")), "0b000100 636f6e76 6f780000");
  EXPECT_TEXT(hex(number(2, 0x0102)), "08000200 00000102");
  EXPECT_TEXT(hex(attribute(3, "\x02")), "05000300 02000000");
  EXPECT_TEXT(hex(nested(4, number(1, 7))), "0c000480 08000100 00000007");
  EXPECT_TEXT(hex(comment(7, "hello")), "0c000700 00066865 6c6c6f00");
  cr_expect(is_comment(std::string("\0\6hello\0", 8), "hello"));
  cr_expect(is_comment(std::string("\0\6hello\0", 8), "hell") == false);
  cr_expect(is_comment("", "") == false);
}

Test(nft_message, a_match_loads_a_field_and_compares_it) {
  // [ meta load nfproto => reg 1 ] [ cmp eq reg 1 0x00000002 ], its registers by their new numbers
  EXPECT_TEXT(hex(is(kFamily, "\x02")),
              "24000180 09000100 6d657461 00000000 14000280 08000200 0000000f 08000100 00000008 "
              "2c000180 08000100 636d7000 20000280 08000100 00000008 08000200 00000000 0c000380 05000100 02000000");
  // [ payload load 4b @ network header + 12 => reg 1 ] [ lookup reg 1 set __set%d 0x1 ]
  EXPECT_TEXT(hex(not_in({kIpSource}, SetName("__set%d", 1))),
              "34000180 0c000100 7061796c 6f616400 24000280 08000100 00000008 08000200 00000001 08000300 0000000c "
              "08000400 00000004 "
              "38000180 0b000100 6c6f6f6b 75700000 28000280 0c000100 5f5f7365 74256400 08000200 00000008 "
              "08000400 00000001 08000500 00000001");
  EXPECT_TEXT(hex(drop()),
              "30000180 0e000100 696d6d65 64696174 65000000 1c000280 08000100 00000000 10000280 0c000280 08000100 "
              "00000000");
}

Test(nft_message, the_fields_of_a_concatenation_begin_at_registers) {
  // iifname has four registers, ether saddr one and a half: 8, 12, 14
  const std::string key = hex(in({kIifname, kEtherSource, kIpSource}, "senders4"));
  EXPECT_CONTAINS(key, "08000200 00000006 08000100 00000008");  // meta: key, register
  EXPECT_CONTAINS(key, "08000100 0000000c 08000200 00000000 08000300 00000006 08000400 00000006");
  EXPECT_CONTAINS(key, "08000100 0000000e 08000200 00000001 08000300 0000000c 08000400 00000004");
  EXPECT_TEXT(hex(concatenated({"abcdef", "\x11", std::string(2, '\x22'), "wxyz"})),
              "61626364 65660000 11000000 22220000 7778797a");
}

Test(nft_message, a_translation_takes_address_and_port_from_registers) {
  EXPECT_TEXT(hex(dnat(std::string("\x0a\xd0\x00\x02", 4), 80)),
              "2c000180 0e000100 696d6d65 64696174 65000000 18000280 08000100 00000008 0c000280 08000100 0ad00002 "
              "2c000180 0e000100 696d6d65 64696174 65000000 18000280 08000100 0000000c 0c000280 06000100 00500000 "
              "38000180 08000100 6e617400 2c000280 08000100 00000001 08000200 00000002 08000300 00000008 "
              "08000500 0000000c 08000700 00000002");
  EXPECT_CONTAINS(hex(dnat_in_turn(NFPROTO_IPV4, 3, SetName("__map%d", 2), 80)),
                  "34000180 0b000100 6e756d67 656e0000 24000280 08000100 00000008 08000200 00000003 08000300 00000000 "
                  "08000400 00000000");
}

Test(nft_message, a_table_a_chain_and_a_rule_are_a_message_each) {
  Batch batch;
  batch.add_table(kTable, "convox rules 1");
  batch.add_chain(kTable, "tcp.8080");
  batch.add_rule(kTable, "tcp.8080", masquerade());
  const auto all = messages(batch);
  cr_assert(eq(sz, all.size(), 3));
  // Length, type and flags, sequence number, port; family, version, resource; attributes
  EXPECT_TEXT(hex(all[0]),
              "38000000 000a0104 01000000 00000000 01000000 0b000100 636f6e76 6f780000 15000600 000f636f 6e766f78 "
              "2072756c 65732031 00000000");
  EXPECT_TEXT(hex(all[1]),
              "30000000 030a0104 02000000 00000000 01000000 0b000100 636f6e76 6f780000 0d000300 7463702e 38303830 "
              "00000000");
  // The last one asks for an answer: NLM_F_ACK.
  EXPECT_TEXT(hex(all[2]),
              "48000000 060a050c 03000000 00000000 01000000 0b000100 636f6e76 6f780000 0d000200 7463702e 38303830 "
              "00000000 18000480 14000180 09000100 6d617371 00000000 04000280");
}

Test(nft_message, a_set_of_a_rules_own_goes_by_a_number) {
  Batch batch;
  const std::string address("\x0a\0\0\0", 4), end("\x0b\0\0\0", 4);
  const SetName set = batch.own_set(kTable, {.name = {}, .key = {kAddress4}, .intervals = true},
                                    {{.key = address}, {.key = end, .end = true}});
  EXPECT_TEXT(set.name, "__set%d");
  const auto all = messages(batch);
  cr_assert(eq(sz, all.size(), 2));
  EXPECT_CONTAINS(hex(all[0]),
                  "0c000200 5f5f7365 74256400 08000300 00000007 08000400 00000007 08000500 00000004 "
                  "08000a00 00000001 0c000980 08000100 00000002");
  EXPECT_CONTAINS(hex(all[1]),
                  "08000400 00000001 2c000380 "
                  "10000180 0c000180 08000100 0a000000 "
                  "18000180 08000300 00000001 0c000180 08000100 0b000000");
  // A concatenation's type is those of its parts, six bits each, its length that of whole registers.
  Batch other;
  other.add_set(kTable, {"ports", {kProtocols, kService}, kVerdict});
  EXPECT_CONTAINS(hex(messages(other)[0]),
                  "08000300 00000008 08000400 0000030d 08000500 00000008 08000600 ffffff00 08000700 00000000");
}

Test(nft_message, many_elements_are_several_messages) {
  Batch batch;
  std::vector<Element> elements;
  for (std::uint32_t at = 0; at < 5000; ++at) elements.push_back({in_host_order(at)});
  batch.add_elements(kTable, "many", elements);
  cr_expect(batch.messages() > 1);
  std::size_t heard = 0;
  for (const std::string& message : messages(batch)) {
    cr_expect(message.size() < 60'000);
    each_attribute(*reinterpret_cast<const nlmsghdr*>(message.data()), [&](std::uint16_t type, std::string_view value) {
      if (type == NFTA_SET_ELEM_LIST_ELEMENTS) each_attribute(value, [&](std::uint16_t, std::string_view) { ++heard; });
    });
  }
  cr_expect(eq(sz, heard, 5000));
}

Test(nft_message, a_failure_is_told_by_what_was_said) {
  Batch batch;
  batch.add_table(kTable, "");
  batch.add_chain(kTable, "forward");
  batch.delete_elements(kTable, "ports", {{"k"}});
  EXPECT_TEXT(batch.said(0), "NFNL_MSG_BATCH_BEGIN");
  EXPECT_TEXT(batch.said(1), "NFT_MSG_NEWTABLE inet convox");
  EXPECT_TEXT(batch.said(2), "NFT_MSG_NEWCHAIN inet convox forward");
  EXPECT_TEXT(batch.said(3), "NFT_MSG_NEWSETELEM inet convox ports");
  EXPECT_TEXT(batch.said(4), "NFT_MSG_DELSETELEM inet convox ports");
}

Test(port_rules, a_cidr_is_a_range_of_addresses) {
  EXPECT_TEXT(ranges(parsed({"10.1.2.3/8"})), "0a000000-0affffff");
  EXPECT_TEXT(ranges(parsed({"192.0.2.7"})), "c0000207-c0000207");
  EXPECT_TEXT(ranges(parsed({"0.0.0.0/0"})), "00000000-ffffffff");
  EXPECT_TEXT(ranges(parsed({"10.255.255.255/31"})), "0afffffe-0affffff");
  EXPECT_TEXT(ranges(parsed({"2001:db8::1/33"})),
              "20010db8 00000000 00000000 00000000-20010db8 7fffffff ffffffff ffffffff");
  for (const char* wrong : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/8x", "10.0.0.0/-1", "::/129", "10.0.0",
                            "web", "10.0.0.0 ", "10.0.0.0/8/8"})
    cr_expect(range(wrong).has_value() == false, "%s", wrong);
}

Test(port_rules, ranges_that_overlap_or_touch_are_one) {
  EXPECT_TEXT(ranges(united(parsed({"10.1.0.0/16", "192.0.2.0/25", "10.0.0.0/8", "192.0.2.128/25"}))),
              "0a000000-0affffff, c0000200-c00002ff");
  EXPECT_TEXT(ranges(united(parsed({"0.0.0.0/0", "255.255.255.255", "1.2.3.4"}))), "00000000-ffffffff");
  EXPECT_TEXT(ranges(united(parsed({"10.0.0.1", "10.0.0.3"}))), "0a000001-0a000001, 0a000003-0a000003");
  EXPECT_TEXT(ranges(united({})), "");
}

Test(port_rules, the_name_of_a_chain_says_which_port_it_is) {
  for (const char* name : {"tcp.80", "udp.53.127.0.0.1", "tcp.65535.192.0.2.1"}) {
    const auto port = port_of_chain(name);
    cr_assert(port.has_value(), "%s", name);
    EXPECT_TEXT(networks::port_name(*port), name);
  }
  for (const char* name : {"forward", "raw", "tcp", "tcp.", "tcp.x", "tcp.080", "tcp.65536", "tcp.80.", "tcp.80.1.2",
                           "sctp.80", "tcp.80.::1", ""})
    cr_expect(port_of_chain(name).has_value() == false, "%s", name);
}
