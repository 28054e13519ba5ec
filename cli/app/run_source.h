// What does `convox run SERVICE` run?
//
// The service as the active release (or the one that --release names) describes it, with the image of that release's
// build and the environment of both. An app that was never deployed gets its first release here, from the convox.yml at
// hand, so that the first command in a fresh directory works. Nothing of the launch itself is decided here.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/app/environment.h"
#include "cli/app/manifest.h"
#include "cli/app/release.h"
#include "rootfs/image_record.h"

namespace convox::app {

struct RunRequest {
  std::string root;                               // CONVOX_ROOT
  std::optional<std::string_view> app, manifest;  // --app, -m
  std::optional<std::string_view> release;        // --release
  std::string_view service;
  bool may_build = true;  // false: --no-build, an app without an active release is an error
  bool explain =
      false;  // store nothing and import nothing: an app without a release is planned from convox.yml in memory
  std::function<void(std::string_view)> progress;  // lines about the first release being made; for stderr
};

struct RunSource {
  std::string app;
  Release release;  // with `explain` and no release yet: without an id, `manifest` is the text of convox.yml
  Manifest manifest;
  Service service;
  std::optional<rootfs::Image> image;
  std::string needs_import;  // the reference, where `image` is empty: only with `explain`
  // RACK, APP, RELEASE, BUILD, BUILD_DESCRIPTION, SERVICE and PORT, over them the manifest's defaults, over them the
  // release's values, of which the service gets those it declares, or all by `*`.
  Environment environment;
  std::vector<std::string> notes;  // one line each, for stderr: convox.yml differs, a key without effect
};

Result<RunSource> run_source(const RunRequest& request);

}  // namespace convox::app
