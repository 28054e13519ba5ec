// No root, no kernel: which answers are believed. The datagrams are made here, sound ones and others.
#include "runtime/net/netlink.h"

#include <criterion/criterion.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>

using namespace convox;
using namespace convox::net;

namespace {

constexpr unsigned kSequence = 7;

struct Datagram {
  alignas(nlmsghdr) char bytes[4096] = {};
  std::size_t size = 0;

  // A message of `type` with so many bytes behind its header.
  nlmsghdr* add(int type, std::size_t payload, unsigned sequence = kSequence, int flags = 0) {
    auto* message = reinterpret_cast<nlmsghdr*>(bytes + size);
    message->nlmsg_len = static_cast<unsigned>(sizeof(nlmsghdr) + payload);
    message->nlmsg_type = static_cast<std::uint16_t>(type);
    message->nlmsg_seq = sequence;
    message->nlmsg_flags = static_cast<std::uint16_t>(flags);
    size += NLMSG_ALIGN(message->nlmsg_len);
    return message;
  }
  void add_end(int type, int number, unsigned sequence = kSequence) {
    const std::size_t payload = type == NLMSG_ERROR ? sizeof(nlmsgerr) : sizeof number;
    std::memcpy(NLMSG_DATA(add(type, payload, sequence)), &number, sizeof number);
  }
};

Errno hear(Conversation& conversation, const Datagram& datagram) {
  return conversation.hear(datagram.bytes, datagram.size);
}

}  // namespace

Test(netlink, an_answer_and_its_ack_are_heard) {
  Conversation conversation(kSequence);
  Datagram answer, ack;
  answer.add(RTM_NEWLINK, sizeof(ifinfomsg));
  ack.add_end(NLMSG_ERROR, 0);
  cr_expect(hear(conversation, answer) == Errno() && !conversation.ended());
  cr_expect(hear(conversation, ack) == Errno() && conversation.ended());
  cr_expect(conversation.refusal() == Errno() && !conversation.incomplete());
  const std::vector<Answer> answers = conversation.take();
  cr_assert(answers.size() == 1);
  cr_expect(header_of<ifinfomsg>(answers[0], RTM_NEWLINK) != nullptr);
  cr_expect(header_of<ifinfomsg>(answers[0], RTM_NEWADDR) == nullptr);
}

Test(netlink, a_refusal_is_the_kernels_errno) {
  for (const int end : {NLMSG_ERROR, NLMSG_DONE}) {
    Conversation conversation(kSequence);
    Datagram refusal;
    refusal.add_end(end, -EBUSY);
    cr_expect(hear(conversation, refusal) == Errno());
    cr_expect(conversation.ended() && conversation.refusal().value == EBUSY);
  }
}

Test(netlink, the_answer_to_another_question_is_passed_over) {
  Conversation conversation(kSequence);
  Datagram late;
  late.add(RTM_NEWLINK, sizeof(ifinfomsg), kSequence - 1, NLM_F_DUMP_INTR);
  late.add_end(NLMSG_DONE, 0, kSequence - 1);
  late.add_end(NLMSG_ERROR, -EPERM, kSequence + 1);
  cr_expect(hear(conversation, late) == Errno());
  cr_expect(!conversation.ended() && !conversation.incomplete() && conversation.take().empty());
}

Test(netlink, a_list_that_changed_or_lost_a_part_is_incomplete) {
  Conversation changed(kSequence), overrun(kSequence), lost(kSequence);
  Datagram part, news;
  part.add(RTM_NEWLINK, sizeof(ifinfomsg), kSequence, NLM_F_MULTI | NLM_F_DUMP_INTR);
  part.add_end(NLMSG_DONE, 0);
  cr_expect(hear(changed, part) == Errno() && changed.ended() && changed.incomplete());
  news.add(NLMSG_OVERRUN, 0);
  cr_expect(hear(overrun, news) == Errno() && overrun.incomplete());
  lost.lost();
  cr_expect(lost.incomplete() && !lost.ended());
}

Test(netlink, a_message_that_leads_out_of_its_datagram_is_not_believed) {
  for (const unsigned length : {0U, 1U, 15U, 33U, 4096U, 0x10000U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    Conversation conversation(kSequence);
    Datagram datagram;
    datagram.add(RTM_NEWLINK, sizeof(ifinfomsg))->nlmsg_len = length;
    cr_expect(hear(conversation, datagram).value == EBADMSG, "length %u", length);
    cr_expect(conversation.take().empty());
  }
  Conversation conversation(kSequence);
  Datagram datagram;
  datagram.add(RTM_NEWLINK, sizeof(ifinfomsg));
  cr_expect(conversation.hear(datagram.bytes, 15).value == EBADMSG, "less than a header");
  cr_expect(conversation.hear(datagram.bytes, 0) == Errno(), "an empty datagram says nothing");
}

Test(netlink, an_error_without_its_number_is_not_believed) {
  for (const std::size_t payload : {std::size_t{0}, std::size_t{3}, sizeof(int), sizeof(nlmsgerr) - 1}) {
    Conversation conversation(kSequence);
    Datagram datagram;
    datagram.add(NLMSG_ERROR, payload);
    cr_expect(hear(conversation, datagram).value == EBADMSG, "%zu bytes", payload);
    cr_expect(!conversation.ended());
  }
}

Test(netlink, attributes_end_where_the_message_does) {
  Datagram datagram;
  nlmsghdr* message = datagram.add(RTM_NEWLINK, sizeof(ifinfomsg) + 24);
  char* attributes = static_cast<char*>(NLMSG_DATA(message)) + sizeof(ifinfomsg);
  const nlattr name{8, IFLA_IFNAME}, beyond{64, IFLA_IFALIAS};  // 64: past the end
  std::memcpy(attributes, &name, sizeof name);
  std::memcpy(attributes + 4, "lo\0", 4);
  std::memcpy(attributes + 8, &beyond, sizeof beyond);
  Conversation conversation(kSequence);
  cr_assert(hear(conversation, datagram) == Errno());
  int seen = 0;
  for (const Answer& answer : conversation.take())
    each_attribute<ifinfomsg>(answer, [&](const nlattr* attribute) {
      ++seen;
      cr_expect(mnl_attr_get_type(attribute) == IFLA_IFNAME && read_text(attribute) == "lo");
    });
  cr_expect(seen == 1);
}

Test(netlink, a_value_of_another_size_is_not_read) {
  Datagram datagram;
  nlmsghdr* message = datagram.add(RTM_NEWLINK, sizeof(ifinfomsg) + 8);
  const nlattr mtu{6, IFLA_MTU};  // two bytes of a number of four
  std::memcpy(static_cast<char*>(NLMSG_DATA(message)) + sizeof(ifinfomsg), &mtu, sizeof mtu);
  Conversation conversation(kSequence);
  cr_assert(hear(conversation, datagram) == Errno());
  std::uint32_t value = 1;
  for (const Answer& answer : conversation.take())
    each_attribute<ifinfomsg>(answer, [&](const nlattr* attribute) { cr_expect(!read_value(attribute, value)); });
  cr_expect(value == 1);
}
