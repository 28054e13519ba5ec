// What `run` takes from an app, without starting anything: records are written by hand below a directory of the test.
#include "cli/app/run_source.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/app/app_store.h"
#include "rootfs/store.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::app;

namespace {

constexpr const char* kManifest =
    "environment: [LEVEL=info, TOKEN]\n"
    "services:\n"
    "  web: {image: 'oci:image', port: 3000, environment: [COLOR=red, PORT=4000]}\n"
    "  all: {image: 'oci:image', environment: ['*']}\n";

template <class Value>
Value take(Result<Value> result) {
  cr_assert(result.has_value(), "%s", result ? "" : result.error().text.c_str());
  return *std::move(result);
}

// A state root and a directory `shop` with a convox.yml in it, which becomes the current one.
class Shop {
 public:
  Shop() {
    cr_assert(::mkdir((box_.path() + "/shop").c_str(), 0755) == 0);
    cr_assert(::chdir((box_.path() + "/shop").c_str()) == 0);
    ::unsetenv("CONVOX_APP");
    write(kManifest);
  }
  void write(std::string_view manifest) { take(fs::replace(AT_FDCWD, "convox.yml", manifest, 0644, fs::Durable::kNo)); }
  std::string root() const { return box_.path() + "/lib"; }
  bool stored_anything() const { return take(fs::list(box_.fd())).size() > 1; }

  // A release with a complete build of an image that the store has.
  std::string release(Environment environment, bool active) {
    rootfs::Image image;
    image.id = std::string(64, 'a');
    take(take(rootfs::Store::open(root())).publish(image));
    const App app = take(AppStore(root()).find_or_create("shop"));
    const AppLock lock = take(app.lock());
    BuildRecord build;
    build.description = "by hand";
    take(app.start(lock, build));
    build.status = BuildRecord::Status::kComplete;
    build.images = {{"web", image.id}, {"all", image.id}};
    take(app.save(lock, build));
    Release release;
    release.build = build.id;
    release.environment = std::move(environment);
    release.manifest = kManifest;
    take(app.add(lock, release));
    if (active) take(app.activate(lock, release.id));
    return release.id;
  }
  std::string active() const { return take(take(AppStore(root()).find("shop")).active()); }

  Result<RunSource> source(std::string_view service, bool explain = false, bool may_build = true) {
    RunRequest request;
    request.root = root();
    request.service = service;
    request.explain = explain;
    request.may_build = may_build;
    request.progress = [this](std::string_view line) { progress += cat(line, "\n"); };
    return run_source(request);
  }

  std::string progress;

 private:
  TemporaryDirectory box_;
};

std::string error_of(const Result<RunSource>& result) { return result ? "(none)" : result.error().text; }

}  // namespace

Test(run_source, a_service_gets_what_it_declares_and_the_release_wins) {
  Shop shop;
  const std::string id = shop.release({{"TOKEN", "t"}, {"COLOR", "blue"}, {"HIDDEN", "h"}}, true);
  RunSource web = take(shop.source("web"));
  cr_assert(web.app == "shop" && web.release.id == id && web.image->id == std::string(64, 'a'));
  cr_assert(!web.environment["RACK"].empty());
  web.environment.erase("RACK");
  const std::string expected =
      cat("APP=shop\nBUILD=", web.release.build,
          "\nBUILD_DESCRIPTION=by hand\nCOLOR=blue\nLEVEL=info\nPORT=4000\nRELEASE=", id, "\nSERVICE=web\nTOKEN=t");
  cr_assert(print(web.environment) == expected, "%s", print(web.environment).c_str());
  const RunSource all = take(shop.source("all"));
  cr_assert(all.environment.at("HIDDEN") == "h");
  cr_assert(!all.environment.contains("PORT"));
}

Test(run_source, required_variables_are_named_before_anything_is_stored) {
  Shop shop;
  cr_assert(error_of(shop.source("web")) == "required env: TOKEN");
  cr_assert(error_of(shop.source("web", true)) == "required env: TOKEN");
  cr_assert(!shop.stored_anything());
}

Test(run_source, explaining_an_app_without_a_release_stores_nothing) {
  Shop shop;
  shop.write("services: {web: {image: 'oci:image'}}\n");
  const RunSource web = take(shop.source("web", true));
  cr_assert(web.needs_import == "oci:image");
  cr_assert(!web.image && web.release.id.empty() && web.service.name == "web");
  cr_assert(web.environment.at("APP") == "shop" && web.environment.at("RELEASE").empty());
  cr_assert(!shop.stored_anything());
}

Test(run_source, what_cannot_run_is_refused_before_anything_is_stored) {
  Shop shop;
  shop.write("services: {web: {image: 'oci:image'}}\n");
  cr_assert(error_of(shop.source("nope")) == "no such service: nope");
  cr_assert(error_of(shop.source("web", false, false)) == "no release for app: shop");
  RunRequest request;
  request.root = shop.root();
  request.service = "web";
  request.release = "RABCDEFGHIJ";
  cr_assert(error_of(run_source(request)) == "no such app: shop");
  cr_assert(!shop.stored_anything());
}

Test(run_source, the_active_release_counts_and_a_different_file_is_noted) {
  Shop shop;
  const std::string old = shop.release({{"TOKEN", "old"}}, true);
  const std::string newer = shop.release({{"TOKEN", "new"}}, false);
  cr_assert(take(shop.source("web")).notes.empty());
  shop.write("services: {}\n");
  const RunSource source = take(shop.source("web"));
  cr_assert(source.environment.at("TOKEN") == "old");
  cr_assert(source.notes.size() == 1u);
  cr_assert(source.notes[0] ==
            cat("convox.yml differs from the active release ", old, ", `convox deploy` puts it in force"));
  RunRequest request;
  request.root = shop.root();
  request.service = "web";
  request.release = newer;
  const RunSource named = take(run_source(request));
  cr_assert(named.environment.at("TOKEN") == "new");
  cr_assert(named.notes.empty());
}

Test(run_source, a_build_that_nobody_promoted_becomes_the_first_active_release) {
  Shop shop;
  const std::string id = shop.release({{"TOKEN", "t"}}, false);
  cr_assert(take(shop.source("web", true)).release.id == id);
  cr_assert(shop.active().empty(), "explaining must not promote");
  cr_assert(take(shop.source("web")).release.id == id);
  cr_assert(shop.active() == id);
  cr_assert(shop.progress == cat("Promoting ", id, "...\n"));
}

Test(run_source, an_image_that_left_the_store_is_an_error) {
  Shop shop;
  shop.release({{"TOKEN", "t"}}, true);
  const UniqueFd images = take(take(rootfs::Store::open(shop.root())).images());
  take(fs::remove_tree(images.get(), std::string(64, 'a') + ".json"));
  cr_assert(error_of(shop.source("web")).starts_with("image of service web: "), "%s",
            error_of(shop.source("web")).c_str());
}
