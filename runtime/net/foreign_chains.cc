#include "runtime/net/foreign_chains.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "runtime/net/ruleset.h"

namespace convox::net {
namespace {

using namespace nft;

constexpr std::string_view kComment = "convox";
constexpr std::size_t kRules = 2;  // in each chain

}  // namespace

std::optional<ForeignChain> foreign_chain(const nlmsghdr& message) {
  ForeignChain chain;
  chain.table.family = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family;
  std::optional<std::uint32_t> hook;
  each_attribute(message, [&](std::uint16_t type, std::string_view value) {
    if (type == NFTA_CHAIN_TABLE) chain.table.name = text_of(value);
    if (type == NFTA_CHAIN_NAME) chain.name = text_of(value);
    if (type == NFTA_CHAIN_POLICY) chain.drops = number_of(value) == NF_DROP;
    if (type == NFTA_CHAIN_HOOK)
      each_attribute(value, [&](std::uint16_t inner, std::string_view number) {
        if (inner == NFTA_HOOK_HOOKNUM) hook = number_of(number);
      });
  });
  const std::uint8_t family = chain.table.family;
  if (family != NFPROTO_IPV4 && family != NFPROTO_IPV6 && family != NFPROTO_INET) return {};
  if (hook != NF_INET_FORWARD || chain.table == kInet) return {};
  chain.drops |= chain.table.name == "firewalld";
  return chain;
}

Result<> find_our_rules(Nftables& kernel, ForeignChain& chain) {
  const Bytes whose = text(NFTA_RULE_TABLE, chain.table.name) + text(NFTA_RULE_CHAIN, chain.name);
  chain.ours.clear();
  return kernel.list(NFT_MSG_GETRULE, chain.table.family, whose, [&](const nlmsghdr& message) {
    std::uint64_t handle = 0;
    bool ours = false;
    each_attribute(message, [&](std::uint16_t type, std::string_view value) {
      if (type == NFTA_RULE_HANDLE) handle = long_number_of(value);
      if (type == NFTA_RULE_USERDATA) ours = is_comment(value, kComment);
    });
    if (ours) chain.ours.push_back(handle);
  });
}

void open_foreign_chains(Batch& batch, const std::vector<ForeignChain>& chains) {
  for (const ForeignChain& chain : chains) {
    if (!chain.drops || chain.ours.size() == kRules) continue;
    leave_foreign_chains(batch, {chain});
    batch.insert_rule(chain.table, chain.name, is(kOifname, kBridges) + accept(), kComment);
    batch.insert_rule(chain.table, chain.name, is(kIifname, kBridges) + accept(), kComment);
  }
}

void leave_foreign_chains(Batch& batch, const std::vector<ForeignChain>& chains) {
  for (const ForeignChain& chain : chains)
    for (const std::uint64_t handle : chain.ours) batch.delete_rule(chain.table, chain.name, handle);
}

}  // namespace convox::net
