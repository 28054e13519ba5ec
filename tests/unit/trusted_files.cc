// State directories, convox.yml and app names are taken only from whom they may come.
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/app/app_name.h"
#include "cli/app/manifest_file.h"
#include "cli/state_root.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;

namespace {

void write_file(const std::string& path, std::string_view content, unsigned mode = 0644) {
  const auto file = fs::open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
  cr_assert(file.has_value());
  cr_assert(fs::write_all(file->get(), content, path).has_value());
  cr_assert(fchmod(file->get(), mode) == 0);
}

std::string roots(const cli::StateRootWishes& wishes) {
  const auto found = cli::find_state_root(wishes);
  return found ? cat(found->root, " ", found->run) : found.error().text;
}

std::string app_of(std::optional<std::string_view> option = {}) {
  const auto name = app::app_name(option);
  return name ? *name : name.error().text;
}

std::string manifest(std::optional<std::string_view> named = {}) {
  const auto file = app::read_manifest_file(named);
  return file ? file->text : file.error().text;
}

}  // namespace

Test(state_root, is_where_the_options_say_before_the_environment_before_the_defaults) {
  const TemporaryDirectory directory;
  const std::string& top = directory.path();
  const auto getenv = [](const char* name) { return std::getenv(name); };
  ::unsetenv("CONVOX_ROOT");
  ::unsetenv("CONVOX_RUN");
  expect_text(roots({.environment = getenv}), "/var/lib/convox /run/convox");
  ::setenv("CONVOX_ROOT", cat(top, "/a").c_str(), 1);
  ::setenv("CONVOX_RUN", cat(top, "/b").c_str(), 1);
  expect_text(roots({.environment = getenv}), cat(top, "/a ", top, "/b"));
  expect_text(roots({.state_root = top, .environment = getenv}), cat(top, "/lib ", top, "/run"));
  expect_text(roots({.root = cat(top, "/c"), .state_root = top, .environment = getenv}), cat(top, "/c ", top, "/run"));
  cr_assert(chdir(top.c_str()) == 0);
  expect_text(roots({.root = "c/d"}), cat(top, "/c/d /run/convox"));
}

Test(state_root, is_refused_where_others_can_write) {
  const TemporaryDirectory directory;
  const std::string& top = directory.path();
  cr_assert(chmod(top.c_str(), 0777) == 0);
  expect_text(roots({.root = top}), cat("--root: ", top, " can be written by others than its owner"));
  expect_text(roots({.root = cat(top, "/x/y")}), cat("--root: ", top, " can be written by others than its owner"));
  cr_assert(chmod(top.c_str(), 0700) == 0);
  write_file(cat(top, "/file"), "");
  expect_text(roots({.root = cat(top, "/file")}), cat("--root: ", top, "/file is not a directory"));
}

Test(app_name, comes_from_the_option_the_environment_the_file_or_the_directory) {
  const TemporaryDirectory directory;
  const std::string home = cat(directory.path(), "/My.App");
  cr_assert(mkdir(home.c_str(), 0700) == 0 && chdir(home.c_str()) == 0);
  ::unsetenv("CONVOX_APP");
  expect_text(app_of(), "my-app");
  cr_assert(mkdir(".convox", 0700) == 0);
  write_file(".convox/app", " filed \n");
  expect_text(app_of(), "filed");
  ::setenv("CONVOX_APP", "varied", 1);
  expect_text(app_of(), "varied");
  expect_text(app_of("named"), "named");
  expect_text(app_of("../etc"), "app name ../etc invalid, must contain only lowercase alphanumeric and dashes");
  expect_text(app_of("Upper"), "app name Upper invalid, must contain only lowercase alphanumeric and dashes");
}

Test(app_name, is_a_label_of_a_host_name) {
  cr_assert(app::is_name("a") && app::is_name("a-1") && app::is_name(std::string(63, 'a')));
  for (const std::string& bad :
       {std::string(), std::string("1a"), std::string("-a"), std::string("a_b"), std::string(64, 'a')})
    cr_expect(not app::is_name(bad), "%s", bad.c_str());
}

Test(manifest_file, is_convox_yml_of_the_current_directory_or_the_one_that_is_named) {
  const TemporaryDirectory directory;
  cr_assert(chdir(directory.path().c_str()) == 0);
  expect_text(manifest(), "no such file: convox.yml");
  write_file("convox.yml", "a");
  write_file("other.yml", "b");
  expect_text(manifest(), "a");
  expect_text(manifest("other.yml"), "b");
  expect_text(manifest("none.yml"), "no such file: none.yml");
}

Test(manifest_file, that_a_stranger_could_have_written_must_be_named) {
  const TemporaryDirectory directory;
  cr_assert(chdir(directory.path().c_str()) == 0);
  write_file("convox.yml", "a", 0666);
  expect_text(manifest(), "convox.yml can be written by everybody");
  expect_text(manifest("convox.yml"), "a");
  write_file("convox.yml", "a", 0644);
  cr_assert(chmod(".", 01777) == 0);
  expect_text(manifest(), "the current directory can be written by everybody");
  cr_assert(chmod(".", 0755) == 0);
  if (::getuid() != 0) return;  // only root can give files away
  cr_assert(chown("convox.yml", 1234, 1234) == 0);
  expect_text(manifest(), "convox.yml belongs to user 1234, who is neither root nor you");
  ::setenv("SUDO_UID", "1234", 1);
  expect_text(manifest(), "a");
  ::setenv("SUDO_UID", "12345", 1);
  expect_text(manifest(), "convox.yml belongs to user 1234, who is neither root nor you");
}

Test(manifest_file, is_not_waited_for_when_it_is_a_fifo) {
  const TemporaryDirectory directory;
  cr_assert(chdir(directory.path().c_str()) == 0);
  cr_assert(mkfifo("convox.yml", 0644) == 0);
  ::alarm(5);
  expect_text(manifest(), "");
}
