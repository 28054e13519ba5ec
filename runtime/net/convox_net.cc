// convox-net: the program that speaks netlink. It makes in the kernel what the files below RUN/net say.
//
//   attach RUN/net NETWORK SLOT ID NETNS   the bridge, the container's links and addresses, its rules and ports
//   detach RUN/net NETWORK SLOT ID         the opposite; what is not there is no error
//   repair RUN/net                         all bridges, ports and rules anew
//   remove RUN/net NETWORK                 what is there of a network without containers
//   move NETNS (HOST_NAME NAME)...         links of the host into a container
//
// NETNS is a network namespace's file, /proc/PID/ns/net. Says nothing and ends with 0; else one line on stderr and 1,
// for a wrong command line 2. Read next: attach.h, firewall.h; move_link.h.
#include <unistd.h>

#include <array>
#include <string_view>

#include "runtime/base/first_error.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"
#include "runtime/net/attach.h"
#include "runtime/net/bridge.h"
#include "runtime/net/firewall.h"
#include "runtime/net/move_link.h"
#include "runtime/networks/store.h"

namespace {

using namespace convox;
using namespace convox::networks;

struct Words {
  std::vector<std::string> all;
  const std::string& operator[](std::size_t at) const { return all[at]; }
  [[nodiscard]] std::size_t size() const { return all.size(); }
};

// RUN/net, as the store wants it named.
Result<Store> open_store(std::string_view path) {
  constexpr std::string_view kFolder = "/net";
  if (!path.ends_with(kFolder)) return invalid(cat("'", path, "' does not end in ", kFolder));
  path.remove_suffix(kFolder.size());
  return Store::open(std::string(path));
}

Result<Network> known(const Store& store, const std::string& name) {
  const std::optional<Network> network = TRY(store.find(name));
  if (!network) return not_found(cat("no such network: ", name));
  return *network;
}

Result<std::uint32_t> slot_number(const std::string& word) {
  const std::optional<std::uint64_t> slot = number(word);
  if (!slot || *slot < kFirstSlot || *slot > kLastSlot) return invalid(cat("'", word, "' is no slot"));
  return static_cast<std::uint32_t>(*slot);
}

Result<> attach(const Words& words) {
  const Store store = TRY(open_store(words[0]));
  const Network network = TRY(known(store, words[1]));
  const Member member{words[3], TRY(slot_number(words[2]))};
  TRY(net::attach(network, member, words[4]));
  const Lease lease{network.name, {network.subnet, member.slot}};
  Result<> admitted = net::admit(store, lease, member.id);
  if (admitted) return ok();
  FirstError error;
  error(std::move(admitted));
  error(net::dismiss(store, lease, member.id));
  error(net::detach(member.id));
  return std::move(error).result();
}

// First nobody is led there any more, then the link goes.
Result<> detach(const Words& words) {
  const Store store = TRY(open_store(words[0]));
  const std::optional<Network> network = TRY(store.find(words[1]));
  const std::uint32_t slot = TRY(slot_number(words[2]));
  FirstError error;
  if (network) error(net::dismiss(store, {network->name, {network->subnet, slot}}, words[3]));
  error(net::detach(words[3]));
  return std::move(error).result();
}

Result<> repair(const Words& words) {  // of which only the first matters
  const Store store = TRY(open_store(words[0]));
  for (const Network& network : TRY(store.list())) {
    const std::vector<Member> members = TRY(store.members(network.name));
    TRY(net::repair(network, members), "repairing network ", network.name);
  }
  return net::rebuild(store);
}

Result<> remove(const Words& words) {
  const Store store = TRY(open_store(words[0]));
  const std::string& name = words[1];
  const auto in_use = [&]() -> Result<bool> {
    if (!TRY(store.find(name))) return false;
    const std::vector<Member> members = TRY(store.members(name));
    return !members.empty();
  };
  if (TRY(in_use())) return invalid(cat("network ", name, " is in use"));
  FirstError error;
  error(net::forget(store, name));
  error(net::remove_bridge(name));
  // Who has joined meanwhile was there before this look, and gets it back; who joins later makes it anew.
  if (TRY(in_use())) error(repair(words));
  return std::move(error).result();
}

Result<> move(const Words& words) {
  std::vector<net::Move> moves;
  for (std::size_t at = 1; at < words.size(); at += 2) moves.push_back({words[at], words[at + 1]});
  return net::move_links(words[0], moves);
}

struct Deed {
  std::string_view name;
  Result<> (*perform)(const Words& words);
  std::size_t words;
  std::string_view usage;
};
constexpr std::array kDeeds = {
    Deed{"attach", attach, 5, "RUN/net NETWORK SLOT ID NETNS"},
    Deed{"detach", detach, 4, "RUN/net NETWORK SLOT ID"},
    Deed{"repair", repair, 1, "RUN/net"},
    Deed{"remove", remove, 2, "RUN/net NETWORK"},
};

// One line whatever the names in it hold.
int fail(int status, std::string line) {
  for (char& character : line)
    if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f) character = '?';
  (void)fs::write_all(2, line + '\n', "stderr").has_value();  // nobody is left to be told
  return status;
}

int perform(Result<> (*deed)(const Words&), const Words& words) {
  const Result<> performed = deed(words);
  if (performed) return 0;
  const Error& error = performed.error();
  return fail(1, error.advice.empty() ? error.text : cat(error.text, "; ", error.advice));
}

}  // namespace

int main(int argc, char** argv) {
#ifdef CONVOX_FAULTS
  faults::start(environ, faults::kNet);
#endif
  // A terminal's signals are for convox, which undoes what it has to; it could not, if they ended us meanwhile.
  sys::setpgid(0, 0);
  const std::string_view name = argc > 1 ? argv[1] : "";
  Words words;
  if (argc > 2) words.all.assign(argv + 2, argv + argc);
  if (name == "move") {
    if (words.size() < 3 || words.size() % 2 == 0) return fail(2, "usage: convox-net move NETNS (HOST_NAME NAME)...");
    return perform(move, words);
  }
  for (const Deed& deed : kDeeds) {
    if (deed.name != name) continue;
    if (words.size() != deed.words) return fail(2, cat("usage: convox-net ", deed.name, " ", deed.usage));
    return perform(deed.perform, words);
  }
  return fail(2, "usage: convox-net attach|detach|repair|remove|move ...");
}
