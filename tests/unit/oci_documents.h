// Documents for the tests of the configuration: small ones put together, and those that programs of the field wrote.
#pragma once
#include <fcntl.h>

#include <string>
#include <string_view>

#include "runtime/base/fs.h"
#include "runtime/oci/config.h"
#include "tests/unit/expect.h"

// A good configuration with every namespace but that of users; `more` are further members of it, or other values.
inline std::string document(std::string_view linux_members = "", std::string_view more = "",
                            std::string_view process = R"({"args": ["sh"], "cwd": "/"})") {
  constexpr std::string_view namespaces =
      R"("namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},)"
      R"( {"type": "cgroup"}, {"type": "time"}])";
  const bool own = linux_members.find("\"namespaces\"") != std::string_view::npos;
  return convox::cat(R"({"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "process": )", process, R"(, "linux": {)",
                     own ? "" : namespaces, linux_members.empty() || own ? "" : ", ", linux_members, "}",
                     more.empty() ? "" : ", ", more, "}");
}

inline convox::oci::Config config_of(std::string_view text, std::source_location at = std::source_location::current()) {
  auto config = convox::oci::read_config(text);
  cr_assert(config.has_value(), "line %u: %s", at.line(), config ? "" : config.error().text.c_str());
  return *std::move(config);
}

inline convox::oci::Config linux_of(std::string_view members,
                                    std::source_location at = std::source_location::current()) {
  return config_of(document(members), at);
}

inline convox::oci::Process process_of(std::string_view text,
                                       std::source_location at = std::source_location::current()) {
  auto process = convox::oci::read_process(text);
  cr_assert(process.has_value(), "line %u: %s", at.line(), process ? "" : process.error().text.c_str());
  return *std::move(process);
}

inline std::string golden(std::string_view name) {
  auto text = convox::fs::read(AT_FDCWD, convox::cat("tests/golden/", name), 1 << 20);
  cr_assert(text.has_value(), "run from the top of the source tree");
  return *std::move(text);
}
