// convox-net: the program that speaks rtnetlink. Only containers that ask for something of the host's network start it.
//
//   convox-net move NETNS (HOST_NAME NAME)...
//
// NETNS is a network namespace's file, /proc/PID/ns/net. Says nothing and ends with 0; else one line on stderr and 1,
// for a wrong command line 2. Read next: move_link.h.
#include <cstring>

#include "runtime/base/fs.h"
#include "runtime/net/move_link.h"

namespace {

// One line whatever the names in it hold.
int fail(int status, std::string line) {
  for (char& character : line)
    if (static_cast<unsigned char>(character) < 0x20 || character == 0x7f) character = '?';
  (void)convox::fs::write_all(2, line + '\n', "stderr").has_value();  // nobody is left to be told
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5 || argc % 2 == 0 || std::strcmp(argv[1], "move") != 0)
    return fail(2, "usage: convox-net move NETNS (HOST_NAME NAME)...");
  std::vector<convox::net::Move> moves;
  for (int at = 3; at < argc; at += 2) moves.push_back({argv[at], argv[at + 1]});
  const convox::Result<> moved = convox::net::move_links(argv[2], moves);
  return moved ? 0 : fail(1, moved.error().text);
}
