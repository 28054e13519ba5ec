// Apps, releases and builds as records, below a directory of the test's own.
#include "cli/app/app_store.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/base/fs.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::app;

namespace {

template <class Value>
Value take(Result<Value> result) {
  cr_assert(result.has_value(), "%s", result ? "" : result.error().text.c_str());
  return *std::move(result);
}

Release add(const App& app, Environment environment = {}, std::string build = "") {
  Release release;
  release.environment = std::move(environment);
  release.build = std::move(build);
  const AppLock lock = take(app.lock());
  take(app.add(lock, release));
  return release;
}

std::string lowercase(std::string text) {
  for (char& letter : text) letter = static_cast<char>(letter | 0x20);
  return text;
}

}  // namespace

Test(app_store, reading_makes_nothing) {
  TemporaryDirectory box;
  const AppStore store(box.path() + "/lib");
  cr_assert(take(store.names()).empty());
  cr_assert(store.find("web").error().text == "no such app: web");
  cr_assert(take(fs::list(box.fd())).empty());
}

Test(app_store, an_app_is_there_from_create_to_remove) {
  TemporaryDirectory box;
  const AppStore store(box.path());
  take(store.create("a"));
  take(store.create("a-b"));
  cr_assert((take(store.names()) == std::vector<std::string>{"a", "a-b"}));
  cr_assert(store.create("a").error().text == "app already exists: a");
  take(store.remove("a"));
  cr_assert((take(store.names()) == std::vector<std::string>{"a-b"}));
  cr_assert(store.remove("a").error().text == "no such app: a");
  for (const char* name : {"", "A", "1a", "../a", "a/b", "rack", "system"})
    cr_assert(not(store.create(name).has_value()), "%s", name);
}

Test(app_store, a_release_is_read_as_it_was_written) {
  TemporaryDirectory box;
  const App app = take(AppStore(box.path()).create("web"));
  Release release;
  release.build = "BABCDEFGHIJ";
  release.description = "quotes \" and \xc3\xa4";
  release.environment = {{"A", "1=2"}, {"B", ""}};
  release.manifest = "services:\n  web:\n    image: oci:x\n";
  const AppLock lock = take(app.lock());
  take(app.add(lock, release));
  const Release read = take(app.release(release.id));
  cr_assert(to_json(read) == to_json(release));
  cr_assert(read.number == 1 && read.created > 0);
}

Test(app_store, a_release_is_found_by_any_case_and_by_a_beginning_that_is_unique) {
  TemporaryDirectory box;
  const App app = take(AppStore(box.path()).create("web"));
  const Release one = add(app), two = add(app);
  cr_assert(take(app.release(lowercase(one.id))).id == one.id);
  const auto differ = std::mismatch(one.id.begin(), one.id.end(), two.id.begin()).first;
  const std::string beginning(one.id.begin(), differ + 1);
  cr_assert(take(app.release(beginning)).id == one.id);
  cr_assert(app.release("r").error().text.starts_with("ambiguous release id: r: R"));
  cr_assert(app.release("").error().text == "no such release: ");
  cr_assert(app.release("../../x").error().text == "no such release: ../../x");
  cr_assert(app.build(one.id).error().text == "no such build: " + one.id);
}

Test(app_store, releases_come_in_the_order_of_making_the_newest_first) {
  TemporaryDirectory box;
  const App app = take(AppStore(box.path()).create("web"));
  cr_assert(not(take(app.newest()).has_value()));
  std::vector<std::string> made;
  for (int time = 0; time < 12; ++time) made.insert(made.begin(), add(app).id);
  std::vector<std::string> read;
  for (const Release& release : take(app.releases())) read.push_back(release.id);
  cr_assert(read == made);
  cr_assert(take(app.newest())->id == made.front());
}

Test(app_store, what_is_active_is_a_word_of_the_app) {
  TemporaryDirectory box;
  const AppStore store(box.path());
  const App app = take(store.create("web"));
  cr_assert(take(app.active()).empty());
  const Release release = add(app);
  {
    const AppLock lock = take(app.lock());
    take(app.activate(lock, release.id));
  }
  cr_assert(take(take(store.find("web")).active()) == release.id);
}

Test(app_store, a_build_without_its_builder_reads_as_failed) {
  TemporaryDirectory box;
  const App app = take(AppStore(box.path()).create("web"));
  BuildRecord build;
  {
    const UniqueFd log = take(app.start(take(app.lock()), build));
    take(fs::write_all(log.get(), "one line\n", "log"));
    cr_assert(take(app.build(build.id)).status == BuildRecord::Status::kRunning);
  }
  cr_assert(take(app.build(build.id)).status == BuildRecord::Status::kFailed);
  cr_assert(take(app.builds()).at(0).status == BuildRecord::Status::kFailed);
  cr_assert(take(app.log(build)) == "one line\n");
}

Test(app_store, the_next_writer_sweeps_what_a_killed_one_left) {
  TemporaryDirectory box;
  const AppStore store(box.path());
  const App app = take(store.create("web"));
  add(app);
  BuildRecord build;
  take(app.start(take(app.lock()), build));
  for (const char* path : {"apps/web/.tmp-0", "apps/web/releases/.tmp-1", "apps/web/builds/.tmp-2", "apps/.tmp-3",
                           "apps/web/builds/BZZZZZZZZZZ.log"})
    UniqueFd(sys::openat(box.fd(), path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  take(app.lock());
  take(store.create("other"));
  auto names = [&](const char* path) {
    return take(fs::list(UniqueFd(sys::openat(box.fd(), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)).get()));
  };
  cr_assert((names("apps") == std::vector<std::string>{"other", "web"}));
  cr_assert((names("apps/web") == std::vector<std::string>{"app.json", "builds", "releases"}));
  cr_assert((names("apps/web/builds") == std::vector<std::string>{build.id + ".json", build.id + ".log"}));
  cr_assert(names("apps/web/releases").size() == 1u);
}

Test(app_store, writers_of_one_app_wait_for_each_other, .timeout = 60) {
  TemporaryDirectory box;
  const App app = take(AppStore(box.path()).create("web"));
  constexpr int kWriters = 8, kEach = 5;
  std::vector<pid_t> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.push_back(::fork());
    if (writers.back() != 0) continue;
    bool good = true;
    for (int time = 0; time < kEach; ++time) {
      const auto lock = app.lock();
      auto next = app.newest();
      Release release = next && *next ? **next : Release{};
      release.environment[cat("V", writer, "_", time)] = "x";
      good = good && lock && next && app.add(*lock, release);
    }
    ::_exit(good ? 0 : 1);
  }
  for (const pid_t writer : writers) {
    int status = 0;
    cr_assert(::waitpid(writer, &status, 0) == writer);
    cr_assert(status == 0);
  }
  // Each forked the newest, so a writer that did not wait would have lost somebody's variable.
  cr_assert(take(app.newest())->environment.size() == std::size_t{kWriters * kEach});
  cr_assert(take(app.newest())->number == kWriters * kEach);
}

Test(app_store, a_lock_of_a_deleted_app_is_refused) {
  TemporaryDirectory box;
  const AppStore store(box.path());
  const App app = take(store.create("web"));
  take(store.remove("web"));
  cr_assert(app.lock().error().text == "no such app: web");
  take(store.create("web"));
  cr_assert(app.lock().error().text == "no such app: web");
}
