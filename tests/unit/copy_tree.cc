// A copy goes where docker cp would put it, whole or not at all, and follows no link that it meets on the way.
#include "runtime/copy_tree.h"

#include <sys/stat.h>

#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::runtime;

namespace {

const Side kHost;

class Box : public TemporaryDirectory {
 public:
  Box() {
    for (const char* name : {"dir", "dir/sub", "there", "there/dir"}) directory(name);
    write("file", "new");
    write("dir/inner", "new");
    write("there/old", "old");
  }
  void directory(const std::string& name) { cr_assert(::mkdir(at(name).c_str(), 0755) == 0); }
  void write(const std::string& name, std::string_view text) {
    const auto file = fs::open(at(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    cr_assert(file && fs::write_all(file->get(), text, name));
  }
  void link(const std::string& target, const std::string& name) {
    cr_assert(::symlink(target.c_str(), at(name).c_str()) == 0);
  }
  std::string read(const std::string& name) {
    const auto text = fs::read(fd(), name, 1000);
    return text ? *text : "-";
  }
  // What went wrong, without the paths that differ from run to run.
  std::string copy(const std::string& from, const std::string& to, bool follow = false, CopyWishes wishes = {}) {
    if (!wishes.go_on) wishes.go_on = ok;
    const Result<LeftOut> copied = [&]() -> Result<LeftOut> {
      const Source source = TRY(find_source(kHost, at(from), follow));
      const Target target = TRY(find_target(kHost, at(to), source));
      return copy_tree(kHost, source, kHost, target, from, wishes);
    }();
    if (copied) return "";
    std::string text = copied.error().text;
    for (std::size_t where = 0; (where = text.find(path() + "/")) != text.npos;) text.erase(where, path().size() + 1);
    return text;
  }
  std::string at(const std::string& name) { return cat(path(), "/", name); }
};

}  // namespace

Test(copy_tree, goes_where_docker_cp_would_put_it) {
  const struct {
    const char *from, *to, *found, *error;
  } rows[] = {
      {"file", "name", "name", ""},
      {"file", "there", "there/file", ""},
      {"file", "there/", "there/file", ""},
      {"file", "there/old", "there/old", ""},
      {"file", "none/", nullptr, "none/: no such directory"},
      {"file", "none/name", nullptr, "open none: No such file or directory (ENOENT)"},
      {"file", "there/old/", nullptr, "there/old/ is not a directory"},
      {"dir/inner", "there/dir/../x", "there/x", ""},
      {"dir", "name", "name/inner", ""},
      {"dir", "name/", "name/inner", ""},
      {"dir/", "there", "there/dir/inner", ""},
      {"dir/.", "there", "there/inner", ""},
      {"dir/.", "name", "name/inner", ""},
      {"dir", "file", nullptr, "file is not a directory"},
      {"none", "name", nullptr, "open none: No such file or directory (ENOENT)"},
      {"file/", "name", nullptr, "open file/: Not a directory (ENOTDIR)"},
  };
  for (const auto& row : rows) {
    Box box;
    expect_text(box.copy(row.from, row.to), row.error);
    if (row.found) expect_text(box.read(row.found), "new");
  }
}

Test(copy_tree, replaces_no_directory_by_a_file_and_no_file_by_a_directory) {
  Box box;
  box.directory("there/file");
  expect_text(box.copy("file", "there"), "file: in its place is a directory");
  box.write("there/dir/sub", "a file");
  expect_text(box.copy("dir", "there"), "dir/sub: in its place is no directory");
  expect_text(box.read("there/dir/sub"), "a file");
}

// A link in the destination's tree is replaced, and what it leads to stays as it was.
Test(copy_tree, follows_a_link_only_where_the_user_named_it) {
  Box box;
  box.link(box.at("there/old"), "there/dir/inner");
  box.link("old", "there/link");
  box.link("nowhere", "there/dangling");
  expect_text(box.copy("dir", "there"), "");
  expect_text(box.read("there/dir/inner"), "new");
  expect_text(box.read("there/old"), "old");
  expect_text(box.copy("there/link", "name"), "");
  struct stat st {};
  cr_expect(::lstat(box.at("name").c_str(), &st) == 0 && S_ISLNK(st.st_mode));
  expect_text(box.copy("there/link", "followed", true), "");
  expect_text(box.read("followed"), "old");
  expect_text(box.copy("file", "there/dangling"), "");
  expect_text(box.read("there/nowhere"), "new");
  expect_text(box.copy("file", "there/link"), "");
  expect_text(box.read("there/old"), "new");
}

Test(copy_tree, refuses_a_link_where_a_directory_of_the_copy_should_be) {
  Box box;
  box.directory("outside");
  box.directory("merged");
  box.link(box.at("outside"), "merged/dir");
  expect_text(box.copy("dir", "merged"), "dir: in its place is no directory");
  cr_expect(fs::list(fs::open(box.at("outside"), O_RDONLY | O_DIRECTORY)->get())->empty());
}

Test(copy_tree, keeps_modes_and_times_and_drops_set_user_id_bits_unless_it_archives) {
  Box box;
  cr_assert(::chmod(box.at("file").c_str(), 04751) == 0);
  const timespec times[2] = {{100, 0}, {200, 5}};
  cr_assert(::utimensat(AT_FDCWD, box.at("file").c_str(), times, 0) == 0);
  for (const bool archive : {false, true}) {
    const std::string name = archive ? "archived" : "plain";
    CopyWishes wishes;
    wishes.archive = archive;
    expect_text(box.copy("file", name, false, wishes), "");
    struct stat st {};
    cr_assert(::stat(box.at(name).c_str(), &st) == 0);
    cr_expect((st.st_mode & 07777) == (archive ? 04751u : 0751u), "%o", st.st_mode);
    cr_expect(st.st_mtim.tv_sec == 200 && st.st_mtim.tv_nsec == 5);
  }
}

Test(copy_tree, leaves_nothing_when_it_is_stopped) {
  Box box;
  int left = 3;
  CopyWishes wishes;
  wishes.go_on = [&left]() -> Result<> { return left-- > 0 ? ok() : Result<>(invalid("stopped")); };
  expect_text(box.copy("dir", "there/copy", false, wishes), "stopped");
  cr_expect(fs::list(fs::open(box.at("there"), O_RDONLY | O_DIRECTORY)->get())->size() == 2);
}

Test(copy_tree, keeps_holes) {
  Box box;
  {
    const auto file = fs::open(box.at("sparse"), O_WRONLY | O_CREAT, 0644);
    cr_assert(::pwrite(file->get(), "end", 3, 64 << 20) == 3 && ::ftruncate(file->get(), 128 << 20) == 0);
  }
  expect_text(box.copy("sparse", "name"), "");
  struct stat st {};
  cr_assert(::stat(box.at("name").c_str(), &st) == 0);
  cr_expect(st.st_size == 128 << 20 && st.st_blocks < 2048, "%ld blocks", static_cast<long>(st.st_blocks));
  char end[3] = {};
  cr_expect(::pread(fs::open(box.at("name"), O_RDONLY)->get(), end, 3, 64 << 20) == 3 && end[0] == 'e');
}

// It would hang whoever opened it.
Test(copy_tree, makes_a_fifo_where_there_is_one_and_never_opens_it) {
  Box box;
  cr_assert(::mkfifo(box.at("dir/pipe").c_str(), 0640) == 0);
  expect_text(box.copy("dir", "name"), "");
  struct stat st {};
  cr_expect(::lstat(box.at("name/pipe").c_str(), &st) == 0 && st.st_mode == (S_IFIFO | 0640));
}

Test(copy_tree, refuses_a_device) {
  Box box;
  const Source null = *find_source(kHost, "/dev/null", false);
  const Target target = *find_target(kHost, box.at("name"), null);
  CopyWishes wishes;
  wishes.go_on = ok;
  const auto copied = copy_tree(kHost, null, kHost, target, "/dev/null", wishes);
  cr_assert(!copied);
  expect_text(copied.error().text, "/dev/null is a device");
}

// What reads as empty may not be: files of /proc.
Test(copy_tree, reads_what_says_that_it_is_empty) {
  Box box;
  const Source source = *find_source(kHost, "/proc/self/comm", false);
  CopyWishes wishes;
  wishes.go_on = ok;
  cr_assert(copy_tree(kHost, source, kHost, *find_target(kHost, box.at("name"), source), "comm", wishes));
  cr_expect(box.read("name").size() > 1);
}

Test(copy_tree, translates_ids_only_within_the_range_of_the_container) {
  const Side side{-1, 600000, true};
  cr_expect(side.own_id(600000) == 0 && side.own_id(665535) == 65535);
  cr_expect(side.own_id(665536) == 665536 && side.own_id(0) == 0);
  cr_expect(*side.host_id(1000) == 601000 && !side.host_id(65536));
  cr_expect(*kHost.host_id(70000) == 70000);
}
