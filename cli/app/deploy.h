// How does a convox.yml become the active release?
//
//   draft     reads and checks everything and stores nothing, so a bad convox.yml leaves no trace
//   build     writes the build's record, imports the images, makes the release       (deploy, build, builds
//   import-image) promote   makes a release the active one
// The app is locked for the moments of writing only: two deploys at once both succeed, in some order.
#pragma once
#include <compare>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "cli/app/app_store.h"
#include "cli/app/manifest.h"
#include "cli/app/manifest_file.h"

namespace convox::app {

struct ImageSource {
  std::string reference;  // oci:DIR and the like
  std::string base;       // absolute: what a relative path in it is relative to
  auto operator<=>(const ImageSource&) const = default;
};

struct BuildRequest {
  ManifestFile file;
  std::string base;  // the directory of the file
  std::string description;
  struct Import {  // builds import-image
    ImageSource source;
    std::string service;  // empty: every service without `image:`
  };
  std::optional<Import> import;
  bool may_drop_variables = false;
};

struct Draft {
  BuildRequest request;
  Manifest manifest;
  Environment environment;                     // of the release that will be copied
  std::map<std::string, ImageSource> sources;  // service -> what is to be imported for it
  Environment images;                          // service -> id of the image that it keeps
};

// The absolute path of the directory that the file lies in.
Result<std::string> directory_of(const ManifestFile& file);

// `app` is null where the app does not exist yet.
Result<Draft> draft(const App* app, BuildRequest request);

// A build under way: its record and its log are on disk, and the log's lock says that somebody works on it.
class Building {
 public:
  using Watcher = std::function<void(std::string_view)>;  // gets the lines that also stand in the log

  static Result<Building> start(const App& app, Draft draft);
  const BuildRecord& record() const { return record_; }
  // On failure the record says so, and the log why.
  Result<> import_images(const std::string& root, const Watcher& watcher = nullptr);
  // Completes the build and makes its release.
  Result<Release> finish();

 private:
  Building(const App& app, Draft draft) : app_(&app), draft_(std::move(draft)) {}
  void log(std::string_view line, const Watcher& watcher);
  Result<> import_each(const std::string& root, const Watcher& watcher);
  void fail(const Error& error);

  const App* app_;  // outlives us
  Draft draft_;
  BuildRecord record_;
  UniqueFd log_;
};

// Refuses a release that could not run: without a build, or with required variables missing.
Result<> promote(const App& app, const Release& release);

// A copy of the newest release, promoted or not, to be changed in one thing and added.
Result<Release> fork_newest(const App& app);

}  // namespace convox::app
