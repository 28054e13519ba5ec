// Where do the files of an image come from?
//
// A source hands out named files as windows. An OCI layout directory is one, an uncompressed archive another: its
// members are windows of the archive, so nothing is copied. A registry will be a third: a window of what was fetched.
// Names are keys among the source's own files, never paths of the host (hardening rule I13).
#pragma once
#include <map>
#include <memory>
#include <string>

#include "rootfs/image/stream.h"
#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::rootfs {

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;
  // kNotFound if it has no such file. The window lives as long as the source.
  virtual Result<Window> find(const std::string& name) = 0;
};

// Opens a regular file of the user's; a FIFO or a device under the name is refused, and not waited for (CVE-2024-9676).
Result<UniqueFd> open_regular(const std::string& path, Window& whole);

Result<std::unique_ptr<Source>> open_directory_source(const std::string& path);
// `scratch` is a directory that takes the plain bytes of a compressed archive, in a file without a name.
Result<std::unique_ptr<Source>> open_archive_source(const std::string& path, int scratch);

}  // namespace convox::rootfs
