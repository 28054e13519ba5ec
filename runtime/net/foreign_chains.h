// How do our packets get past the firewall of somebody else?
//
// A packet that is forwarded meets every chain at that hook, ours and Docker's or ufw's, and `accept` in one of them is
// no word in the next: whose policy is drop drops what we accepted. nftables has no way to say from outside that a
// chain is not to be asked. So such a chain gets two rules of ours at its head, which accept what comes from or goes to
// our bridges. What of that is really allowed our own chain says, and its drop is final. nft(8), "CHAINS"
//
//   iifname "cx-*" accept comment "convox"
//   oifname "cx-*" accept comment "convox"
//
// They are told by that comment: made again if their chain was made anew, removed with the last network. A chain of
// iptables that is not one of nftables (iptables-legacy) cannot be helped: it is not to be seen from here.
#pragma once
#include "runtime/net/nftables.h"

namespace convox::net {

struct ForeignChain {
  nft::Table table;
  nft::Bytes name;
  bool drops = false;               // its policy, or it is firewalld's, which rejects by its last rule
  std::vector<std::uint64_t> ours;  // handles of our rules in it, in order
};

// What a message of NFT_MSG_GETCHAIN says, if it is of somebody else's chain for packets that are forwarded.
std::optional<ForeignChain> foreign_chain(const nlmsghdr& message);
Result<> find_our_rules(nft::Nftables& kernel, ForeignChain& chain);

void open_foreign_chains(nft::Batch& batch, const std::vector<ForeignChain>& chains);
void leave_foreign_chains(nft::Batch& batch, const std::vector<ForeignChain>& chains);

}  // namespace convox::net
