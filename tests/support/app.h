// An app that is ready to run: released, imported, its filter compiled. What a test runs now says nothing of its own.
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/cat.h"
#include "tests/support/image.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

namespace convox::test {

class App : public Sandbox {
 public:
  // `keys` are more lines of the service `web`, indented by four.
  explicit App(const Image& image = testbox_image(), std::string_view keys = "") {
    write_layout(app() + "/image", image);
    write("convox.yml", convox::cat("services:\n  web:\n    image: oci:image\n    command: sleep 60\n", keys));
    const Ran ran = convox({"run", "--entrypoint=false", "--user", "0", "web", "testbox", "exit", "0"});
    first_said = ran.err;
    remember();
  }
  std::string first_said;
};

// An image with one more layer and, if given, another config.
inline Image testbox_image_with(std::vector<Entry> entries, std::string config = "") {
  Image image = testbox_image();
  image.layers.push_back({.entries = std::move(entries)});
  if (!config.empty()) image.config = std::move(config);
  return image;
}

// The value of the first line KEY=value; empty if there is none.
inline std::string fact(std::string_view text, std::string_view key) {
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (line.starts_with(key) && line.substr(key.size()).starts_with('='))
      return std::string(line.substr(key.size() + 1));
    at += line.size() + 1;
  }
  return {};
}

// The lines that begin with `start`, without it, sorted as they came.
inline std::vector<std::string> lines_with(std::string_view text, std::string_view start) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (line.starts_with(start)) found.emplace_back(line.substr(start.size()));
    at += line.size() + 1;
  }
  return found;
}

}  // namespace convox::test
