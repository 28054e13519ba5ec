// How does a test get a host, containers and a world around them, without touching the machine's network?
//
// By network namespaces. The test's own thread goes into a new one, which plays the host: what it starts (ip, nft,
// convox-net) works there. A `Node` is a process in a network namespace of its own: a container, or another host. It
// answers on TCP 80 and UDP 53, with its name and who asked. What a node is to do besides is a function, called in a
// child there. unshare(2), network_namespaces(7)
#pragma once
#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>

namespace convox::test {

// This thread gets a network namespace of its own, with `lo` up. The test fails if it cannot.
void become_a_host();

// What `WORDS`, in a shell, says here (or in the namespace that the file is); the test fails if it fails.
std::string shell(const std::string& words, const std::string& network = {});

class Node {
 public:
  explicit Node(const std::string& name);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  [[nodiscard]] std::string network() const;  // /proc/PID/ns/net
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

// Does something in a network namespace (empty: here) and tells what it returned.
std::string inside(const std::string& network, const std::function<std::string()>& deed);

// "web1 from 10.1.2.3", "refused", or "silence" after so many milliseconds.
constexpr int kSoon = 5000;    // where an answer is expected
constexpr int kSilence = 300;  // where none is: as long as it takes on the way there and back, many times over
std::string ask_tcp(const std::string& network, const std::string& address, int port, int milliseconds = kSoon);
std::string ask_udp(const std::string& network, const std::string& address, int port, int milliseconds = kSoon);

// A socket that sees and sends whole frames of a link. packet(7)
class Wire {
 public:
  Wire(const std::string& network, const std::string& link);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  void send(const std::string& frame) const;
  // Reads until a frame has `mark` in it; all that came before is said in `before`. False if none comes.
  bool see(const std::string& mark, std::string* before) const;

 private:
  int socket_ = -1;
};

}  // namespace convox::test
