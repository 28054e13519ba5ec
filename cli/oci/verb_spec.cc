// convox-oci spec: a config.json to begin with, which runs a shell.
#include <fcntl.h>

#include "cli/oci/known.h"
#include "runtime/base/fs.h"
#include "runtime/oci/spec.h"

namespace convox::oci {

using convox::check;  // beside those of config.h

namespace {

constexpr Flag kFlags[] = {
    {"bundle", 'b', "DIR", "where to write it (the current directory)"},
    {"config", 'f', "FILE", "write this file instead of config.json"},
    {"rootless", 0, "", "for a user who is not root"},
};

Result<int> spec(const Globals&, const Words& words) {
  const std::string path = words.value("config").value_or(cat(words.value("bundle").value_or("."), "/config.json"));
  const long made = sys::openat(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (made == -EEXIST) return invalid(cat(path, " exists; remove it first"));
  const UniqueFd file(TRY(check(made, "open", path)));
  TRY(fs::write_all(file.get(), spec_json(words.has("rootless")), path));
  return 0;
}

}  // namespace

const Verb kSpec = {.name = "spec",
                    .usage = "[flags]",
                    .help = "write a config.json to begin with",
                    .flags = kFlags,
                    .least = 0,
                    .most = 0,
                    .needs_root = false,
                    .perform = spec};

}  // namespace convox::oci
