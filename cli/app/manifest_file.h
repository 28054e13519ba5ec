// Is this convox.yml one that we may obey?
//
// It says what root is about to run. A file that a stranger could have written is refused, whether by owner or by mode,
// unless the caller named it: then he has chosen it. Under sudo the user behind it counts as the caller (SUDO_UID).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/result.h"

namespace convox::app {

struct ManifestFile {
  std::string path;  // as opened: "convox.yml", or what -m said
  std::string text;
};

// convox.yml of the current directory, or the file that -m names. A missing one is Error::Kind::kNotFound.
Result<ManifestFile> read_manifest_file(std::optional<std::string_view> named);

}  // namespace convox::app
