// How are links and addresses asked for and changed?
//
// By messages to the kernel over an AF_NETLINK socket, which belongs for ever to the network namespace in which it was
// opened. libmnl lays out the messages; this is one question and its answers. rtnetlink(7), netlink(7)
#pragma once
#include <libmnl/libmnl.h>
#include <net/if.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"

namespace convox::net {

struct Link {
  int index = 0;
  std::string name;
  unsigned flags = 0;  // IFF_*
};

// An address as the kernel listed it: what of it is to be said again elsewhere.
struct Address {
  std::uint8_t family = 0, prefix = 0, scope = 0;
  std::uint32_t flags = 0;                                        // IFA_F_*
  std::vector<std::pair<std::uint16_t, std::string>> attributes;  // IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST
};

class Netlink {
 public:
  // A socket of the namespace that this thread is in.
  static Result<Netlink> open();

  // By name; kSystem with ENODEV if there is none.
  Result<Link> link(const std::string& name);
  Result<Link> link(int index);
  Result<int> highest_index();
  Result<std::vector<Address>> addresses(int index);

  // Moves a link into another namespace, where it has `name` and `index`.
  Result<> move(const Link& link, int name_space, const std::string& name, int index);
  Result<> add(int index, const Address& address);
  Result<> raise(const Link& link);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  using Message = std::function<void(const nlmsghdr&)>;

  explicit Netlink(mnl_socket* socket) : socket_(socket) {}
  // Sends and hands every answer to `hear` until the kernel says that it is done, or which errno it is.
  Result<> ask(nlmsghdr* request, std::string_view what, std::string_view object, const Message& hear = {});

  std::unique_ptr<mnl_socket, Close> socket_;
  unsigned sequence_ = 0;
};

}  // namespace convox::net
