#include "cli/oci/criu_words.h"

#include <fcntl.h>

#include "cli/oci/programs.h"
#include "runtime/base/fs.h"
#include "runtime/base/words.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr std::string_view kSame[] = {"leave-running", "tcp-established", "tcp-close",  "link-remap", "ext-unix-sk",
                                      "shell-job",     "file-locks",      "lazy-pages", "auto-dedup"};
constexpr std::string_view kSameWithValue[] = {"empty-ns", "network-lock", "lsm-profile", "lsm-mount-context"};

Result<> take_page_server(const std::string& text, std::vector<std::string>& options) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || !number(std::string_view(text).substr(colon + 1)))
    return invalid(cat("--page-server: \"", text, "\" is not HOST:PORT"));
  for (const std::string& word : {std::string("--page-server"), std::string("--address"), text.substr(0, colon),
                                  std::string("--port"), text.substr(colon + 1)})
    options.push_back(word);
  return ok();
}

Result<std::string> directory_of(const std::string& path) {
  const long made = sys::mkdirat(AT_FDCWD, path.c_str(), 0700);
  if (made != -EEXIST) TRY(check(made, "mkdir", path));
  if (path.starts_with('/')) return path;
  char here[4096];
  TRY(check(sys::getcwd(here, sizeof here), "getcwd", ""));
  return cat(std::string_view(here), "/", path);
}

}  // namespace

Result<std::vector<std::string>> criu_options(const Words& words) {
  std::vector<std::string> options;
  for (const std::string_view flag : kSame)
    if (words.has(flag)) options.push_back(cat("--", flag));
  if (words.has("tcp-skip-in-flight")) options.emplace_back("--skip-in-flight");
  for (const std::string_view flag : kSameWithValue)
    for (const std::string& value : words.values(flag)) {
      options.push_back(cat("--", flag));
      options.push_back(value);
    }
  if (const auto server = words.value("page-server")) TRY(take_page_server(*server, options));
  const std::string mode = words.value("manage-cgroups-mode").value_or("soft");
  if (mode != "soft" && mode != "full" && mode != "strict" && mode != "ignore")
    return invalid(cat("--manage-cgroups-mode is soft, full, strict or ignore, not \"", mode, "\""));
  options.push_back(cat("--manage-cgroups=", mode));
  return options;
}

Result<Criu> criu_of(const Words& words) {
  Criu criu;
  criu.program = TRY(find_program("criu"));
  criu.passed = TRY(criu_options(words));
  const auto images = words.value("image-path");
  if (!images) return invalid("--image-path is missing: where the images are");
  criu.images = TRY(directory_of(*images));
  criu.work = TRY(directory_of(words.value("work-path").value_or(*images)));
  criu.parent = words.value("parent-path").value_or("");
  criu.pre_dump = words.has("pre-dump");
  if (const auto text = words.value("status-fd")) {
    const auto fd = number(*text);
    if (!fd || *fd > 1U << 20) return invalid(cat("--status-fd: \"", *text, "\" is no descriptor"));
    criu.status_fd = static_cast<int>(*fd);
  }
  return criu;
}

}  // namespace convox::oci
