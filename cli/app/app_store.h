// Where do apps, releases and builds lie, and who may change them?
//
//   <root>/apps/<app>/app.json              the app exists if this does; it says which release is active
//                     releases/<R..>.json   one record each (release.h)
//                     builds/<B..>.json     one record each (build.h), beside it <B..>.log
// Readers take no lock: a record is replaced as a whole. Writers hold the app's lock, an flock on its directory, for
// moments only, never while an image is imported. So what begins with `.tmp-` while one holds the lock was left by a
// killed command, and is swept. Read next: record.h, runtime/base/lock.h.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/app/build.h"
#include "cli/app/release.h"
#include "runtime/base/unique_fd.h"

namespace convox::app {

// Whoever has one may write.
class AppLock {
 private:
  friend class App;
  explicit AppLock(UniqueFd directory) : directory_(std::move(directory)) {}
  UniqueFd directory_;
};

class App {
 public:
  const std::string& name() const { return name_; }
  Result<AppLock> lock() const;

  Result<std::string> active() const;  // the id of the active release, or empty
  Result<> activate(const AppLock& lock, const std::string& release) const;

  // `text` is an id in upper or lower case, or the beginning of exactly one.
  Result<Release> release(std::string_view text) const;
  Result<std::vector<Release>> releases() const;  // the newest first
  Result<std::optional<Release>> newest() const;
  // Gives the release its id, number and time.
  Result<> add(const AppLock& lock, Release& release) const;

  Result<BuildRecord> build(std::string_view text) const;
  Result<std::vector<BuildRecord>> builds() const;  // the newest first
  // Gives the build its id, number and time, and answers with its log, open and locked: the sign that it is alive.
  Result<UniqueFd> start(const AppLock& lock, BuildRecord& build) const;
  Result<> save(const AppLock& lock, const BuildRecord& build) const;
  Result<std::string> log(const BuildRecord& build) const;

 private:
  friend class AppStore;
  App(std::string name, UniqueFd apps, UniqueFd directory)
      : name_(std::move(name)), apps_(std::move(apps)), directory_(std::move(directory)) {}
  Result<BuildRecord> judge(BuildRecord build) const;

  std::string name_;
  UniqueFd apps_, directory_;
};

// All apps below one state root. Reading makes nothing: without a root there are no apps.
class AppStore {
 public:
  explicit AppStore(std::string root) : root_(std::move(root)) {}

  Result<std::vector<std::string>> names() const;  // sorted
  Result<App> find(std::string_view name) const;   // or `no such app: NAME`
  Result<App> create(std::string_view name) const;
  Result<App> find_or_create(std::string_view name) const;
  // The app with its releases, builds and volumes. Whether something of it still runs is the caller's question.
  Result<> remove(std::string_view name) const;

 private:
  Result<UniqueFd> apps() const;
  Result<bool> has_apps() const;

  std::string root_;
};

}  // namespace convox::app
