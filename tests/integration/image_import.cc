// What does convox-image make of images, of sound ones and of those that an attacker wrote? Whatever it refuses, it
// says why in one line, prints nothing on stdout, and leaves the store as it was.
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <zstd.h>

#include <functional>

#include "runtime/base/cat.h"
#include "tests/support/image.h"
#include "tests/support/needs.h"
#include "tests/support/sandbox.h"

using namespace convox::test;
using convox::cat;

namespace {

std::vector<std::string> import(const Sandbox& box, const std::string& reference) {
  return {
      Sandbox::build() + "/convox-image", "import", "--root", box.lib(), "--base", box.app(), "--progress", reference};
}

// unistd.h has a symlink() too, which takes literals gladly.
Entry soft_link(const std::string& path, const std::string& target) { return convox::test::symlink(path, target); }

// A store that is there, with nothing in it: the first import makes it, and may.
void make_store(Sandbox& box) {
  for (const char* part : {"", "/layers", "/images"}) {
    make_directories(box.lib() + part);
    chmod((box.lib() + part).c_str(), 0700);
  }
  write_file(box.lib() + "/store.lock", "", 0600);
  box.remember();
}

void expect_refusal(Sandbox& box, const std::string& what, const std::string& reference, const std::string& reason) {
  box.remember();
  const Ran ran = box.run(import(box, reference));
  cr_expect(ran.status == 1, "%s: status %d: %s", what.c_str(), ran.status, ran.err.c_str());
  cr_expect(ran.out.empty(), "%s: printed %s", what.c_str(), ran.out.c_str());
  const std::size_t line = ran.err.find("importing ");
  cr_expect(line != std::string::npos && ran.err.find(reason, line) != std::string::npos, "%s: says\n%s and not\n%s",
            what.c_str(), ran.err.c_str(), reason.c_str());
  cr_expect(ran.err.find('\n', line) == ran.err.size() - 1, "%s: more than one line:\n%s", what.c_str(),
            ran.err.c_str());
  const std::string left = box.leftovers();
  cr_expect(left.empty(), "%s: left behind:\n%s", what.c_str(), left.c_str());
}

// The unpacked layers, bottom first.
std::vector<std::string> import_layers(Sandbox& box, const std::string& reference, std::string* warnings = nullptr) {
  const Ran ran = box.run(import(box, reference));
  cr_assert(ran.status == 0, "%s: %s", reference.c_str(), ran.err.c_str());
  if (warnings) *warnings = ran.err;
  std::vector<std::string> layers;
  const std::size_t list = ran.out.find("\"layers\":[");
  for (std::size_t at = ran.out.find('"', list + 9); at < ran.out.find(']', list); at = ran.out.find('"', at + 66))
    layers.push_back(cat(box.lib(), "/layers/", ran.out.substr(at + 1, 64), "/fs"));
  return layers;
}

std::string layer_of(Sandbox& box, std::vector<Entry> entries, std::string* warnings = nullptr) {
  remove_tree(box.app() + "/image");
  write_layout(box.app() + "/image", {.layers = {{.entries = std::move(entries)}}});
  return import_layers(box, "oci:image", warnings).at(0);
}

// "-rwsr-x--- 1000:100 2" of type, mode, owner, links; "missing"
std::string look(const std::string& path) {
  struct stat st {};
  if (lstat(path.c_str(), &st) < 0) return "missing";
  const char type = S_ISDIR(st.st_mode)    ? 'd'
                    : S_ISLNK(st.st_mode)  ? 'l'
                    : S_ISFIFO(st.st_mode) ? 'p'
                    : S_ISCHR(st.st_mode)  ? 'c'
                                           : '-';
  char text[64];
  snprintf(text, sizeof text, "%c %04o %u:%u %lu", type, st.st_mode & 07777U, st.st_uid, st.st_gid,
           S_ISDIR(st.st_mode) ? 0 : static_cast<unsigned long>(st.st_nlink));
  return text;
}

bool is_whiteout(const std::string& path) {
  struct stat st {};
  return lstat(path.c_str(), &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

std::string xattr(const std::string& path, const char* name) {
  char value[256];
  const ssize_t size = lgetxattr(path.c_str(), name, value, sizeof value);
  return size < 0 ? "none" : std::string(value, static_cast<std::size_t>(size));
}

std::string bytes(std::initializer_list<int> values) {
  std::string text;
  for (const int value : values) text += static_cast<char>(value);
  return text;
}
// struct vfs_cap_data of CAP_NET_BIND_SERVICE, permitted: revision 2, or 3 with the id of a user namespace's root
std::string capability(int revision, int root) {
  std::string value = bytes({1, 0, 0, revision, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  if (revision == 3) value += bytes({root, 0, 0, 0});
  return value;
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// --- archives by hand: what libarchive would rather not write ------------------------------------------------------

std::string header(const std::string& name, unsigned long long size, char type = '0') {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
  char number[16];
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  if (size < (1ULL << 33)) {
    snprintf(number, sizeof number, "%011llo", size);
    put(124, number);
  } else {  // GNU base-256: the first bit says so
    block[124] = static_cast<char>(0x80);
    for (int i = 0; i < 8; ++i) block[128 + static_cast<std::size_t>(i)] = static_cast<char>(size >> (8 * (7 - i)));
  }
  put(136, "07000000000");
  put(148, "        ");
  block[156] = type;
  put(257, std::string("ustar\0", 6) + "00");
  unsigned sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  snprintf(number, sizeof number, "%06o", sum);
  put(148, std::string(number) + '\0' + ' ');
  return block;
}

std::string zstd(std::string_view plain) {
  std::string packed(ZSTD_compressBound(plain.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 1));
  return packed;
}

// --- documents -----------------------------------------------------------------------------------------------------

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  cr_assert(at != std::string::npos, "the harness looks for %s in %s", from.c_str(), text.c_str());
  return text.replace(at, from.size(), to);
}
std::string digest_in(const std::string& document, const std::string& after) {
  return document.substr(document.find("sha256:", document.find(after)) + 7, 64);
}
std::string number_after(const std::string& document, const std::string& digest) {
  const std::size_t at = document.find("\"size\":", document.find(digest));
  return document.substr(at, document.find_first_of(",}", at) - at);
}

// Changes a document and everything that names it, so that all digests are right and only the change is wrong.
struct Layout {
  std::string path;
  [[nodiscard]] std::string index() const { return read_file(path + "/index.json"); }
  [[nodiscard]] std::string blob(const std::string& digest) const {
    return read_file(path + "/blobs/sha256/" + digest);
  }
  void change_index(const std::string& from, const std::string& to) const {
    write_file(path + "/index.json", replaced(index(), from, to));
  }
  void replace_blob(std::string& parent, const std::string& digest, const std::string& content) const {
    const std::string old_size = number_after(parent, digest);
    parent = replaced(parent, old_size, cat("\"size\":", content.size()));
    parent = replaced(parent, digest, write_blob(path, content));
  }
  void change_manifest(const std::string& from, const std::string& to) const {
    std::string top = index();
    const std::string digest = digest_in(top, "manifests");
    replace_blob(top, digest, replaced(blob(digest), from, to));
    write_file(path + "/index.json", top);
  }
  void change_config(const std::string& from, const std::string& to) const {
    std::string top = index();
    const std::string manifest_digest = digest_in(top, "manifests");
    std::string manifest = blob(manifest_digest);
    const std::string digest = digest_in(manifest, "\"config\"");
    replace_blob(manifest, digest, replaced(blob(digest), from, to));
    replace_blob(top, manifest_digest, manifest);
    write_file(path + "/index.json", top);
  }
  [[nodiscard]] std::string layer_path() const {
    const std::string manifest = blob(digest_in(index(), "manifests"));
    return path + "/blobs/sha256/" + digest_in(manifest, "\"layers\"");
  }
};

}  // namespace

Test(image_import, refuses_layers_that_reach_out_or_lie) {
  REQUIRE(Root);
  Sandbox box;
  make_store(box);
  const struct {
    const char* what;
    std::vector<Entry> entries;
    const char* reason;
  } cases[] = {
      {"a path with ..", {file("a/../../x", "")}, "\"..\" in a path"},
      {"a hard link out of the tree", {hardlink("x", "../../../etc/passwd")}, "\"..\" in a path"},
      {"a hard link to a host file", {hardlink("x", "/etc/passwd")}, "no such file in the image"},
      {"a hard link through a link", {soft_link("s", "/etc"), hardlink("x", "s/passwd")}, "no such file in the image"},
      {"a hard link to a symbolic link", {soft_link("s", "/etc/passwd"), hardlink("x", "s")}, "not a regular file"},
      {"a hard link to a whiteout", {hardlink("x", ".wh.y")}, "not a file"},
      {"a root that is a link", {soft_link("/.", "/etc")}, "the root of a layer can only be a directory"},
      {"a root that is a file", {file(".", "x")}, "the root of a layer can only be a directory"},
      {"a forged whiteout", {{.path = "x", .mode = S_IFCHR | 0644}}, "would hide a file"},
      {"a whiteout of nothing", {file("a/.wh.", "")}, "a whiteout of nothing"},
      {"a whiteout of ..", {file("a/.wh...", "")}, "a whiteout of nothing"},
      {"a file below a whiteout", {file(".wh.x/y", "")}, "below a whiteout"},
      {"an owner that is not mapped", {{.path = "x", .uid = 65536}}, "uid 65536 is not below 65536"},
      {"a group that is not mapped", {{.path = "x", .gid = 4294967295}}, "gid"},
      {"a long component", {file(std::string(256, 'n'), "")}, "longer than 255"},
      {"a long path", {file(repeated("0123456789abcde/", 256), "")}, "longer than 4095"},
      {"a deep path", {directory(repeated("d/", 1025))}, "deeper than 1024"},
      {"a capability that is none", {{.path = "x", .xattrs = {{"security.capability", "xx"}}}}, "security.capability"},
      {"a capability of another namespace",
       {{.path = "x", .xattrs = {{"security.capability", capability(3, 7)}}}},
       "another user namespace"},
      {"an ACL for an id that is not mapped",
       {{.path = "x", .xattrs = {{"system.posix_acl_access", bytes({2, 0, 0, 0, 2, 0, 4, 0, 0, 0, 1, 0})}}}},
       "names an id"},
      {"too many extended attributes",
       {{.path = "x", .xattrs = {{"user.x", std::string(70'000, 'x')}}}},
       "65536 bytes"},
  };
  for (const auto& one : cases) {
    remove_tree(box.app() + "/image");
    write_layout(box.app() + "/image", {.layers = {{.entries = {file("first", "1")}}, {.entries = one.entries}}});
    expect_refusal(box, one.what, "oci:image", one.reason);
  }
  cr_expect(not exists("/x"));
}

Test(image_import, keeps_strange_layers_inside) {
  REQUIRE(Root);
  Sandbox box;
  std::string warnings;
  const std::string layer = layer_of(box,
                                     {soft_link("out", box.path()),
                                      file("out/stolen", "x"),
                                      soft_link("up", "../../../../.."),
                                      file("up/stolen", "x"),
                                      file("/absolute", "x"),
                                      file("//./a/./b", "x"),
                                      soft_link("kept", "/etc/passwd"),
                                      file("twice", "first"),
                                      file("twice", "second"),
                                      directory("turns"),
                                      file("turns/into", "x"),
                                      file("turns", "a file"),
                                      file("becomes", "x"),
                                      file("becomes/a-directory", "x"),
                                      {.path = "disk", .mode = S_IFBLK | 0600, .major = 8},
                                      {.path = "null", .mode = S_IFCHR | 0666, .major = 1, .minor = 3},
                                      file(".wh..wh.plnk/1.2", "aufs"),
                                      file("first\x1b[31m", "x")},
                                     &warnings);
  for (const char* name : {"out", "up", "becomes"}) EXPECT_TEXT(look(cat(layer, "/", name)), "d 0755 0:0 0");
  cr_expect(not exists(box.path() + "/stolen"));
  EXPECT_TEXT(look(layer + "/absolute"), "- 0644 0:0 1");
  EXPECT_TEXT(look(layer + "/a/b"), "- 0644 0:0 1");
  EXPECT_TEXT(look(layer + "/kept"), "l 0777 0:0 1");
  EXPECT_TEXT(read_file(layer + "/twice"), "second");
  EXPECT_TEXT(read_file(layer + "/turns"), "a file");
  for (const char* name : {"disk", "null", ".wh..wh.plnk"}) EXPECT_TEXT(look(cat(layer, "/", name)), "missing");
  EXPECT_CONTAINS(warnings, "left out 2 device nodes, the first: disk");
}

Test(image_import, keeps_what_a_file_is) {
  REQUIRE(Root);
  Sandbox box;
  const std::string note = "system.posix_acl_access";
  const std::string layer = layer_of(
      box, {{.path = "suid", .mode = S_IFREG | 06755, .content = "x", .uid = 1000, .gid = 100},
            {.path = "capable", .content = "x", .uid = 3, .xattrs = {{"security.capability", capability(2, 0)}}},
            {.path = "foreign", .content = "x", .xattrs = {{"security.capability", capability(3, 0)}}},
            {.path = "labelled",
             .xattrs = {{"user.note", "kept"},
                        {"security.selinux", "forged"},
                        {"trusted.note", "forged"},
                        {"trusted.overlay.redirect", "/etc"},
                        {"user.overlay.opaque", "y"}}},
            {.path = "sgid/", .mode = S_IFDIR | 02775, .gid = 50},
            {.path = "forged/", .mode = S_IFDIR | 0755, .xattrs = {{"trusted.overlay.opaque", "y"}}},
            file("sgid/inside", "x"),
            hardlink("sgid/again", "sgid/inside"),
            {.path = "pipe", .mode = S_IFIFO | 0620, .uid = 2, .gid = 5},
            file("caf\xc3\xa9", "composed"),
            file("cafe\xcc\x81", "decomposed"),
            file("raw\xff", "bytes")});
  EXPECT_TEXT(look(layer + "/suid"), "- 6755 1000:100 1");
  EXPECT_TEXT(xattr(layer + "/capable", "security.capability"), capability(2, 0));
  EXPECT_TEXT(xattr(layer + "/foreign", "security.capability"), capability(2, 0));
  EXPECT_TEXT(xattr(layer + "/labelled", "user.note"), "kept");
  for (const char* name : {"security.selinux", "trusted.note", "trusted.overlay.redirect", "user.overlay.opaque"})
    EXPECT_TEXT(xattr(layer + "/labelled", name), "none");
  EXPECT_TEXT(xattr(layer + "/forged", "trusted.overlay.opaque"), "none");
  EXPECT_TEXT(look(layer + "/sgid"), "d 2775 0:50 0");
  EXPECT_TEXT(look(layer + "/sgid/inside"), "- 0644 0:0 2");
  EXPECT_TEXT(look(layer + "/pipe"), "p 0620 2:5 1");
  struct stat st {};
  cr_expect(stat((layer + "/suid").c_str(), &st) == 0 && st.st_mtime == 1'000'000'000);
  cr_expect(stat((layer + "/sgid").c_str(), &st) == 0 && st.st_mtime == 1'000'000'000);
  EXPECT_TEXT(read_file(layer + "/caf\xc3\xa9"), "composed");
  EXPECT_TEXT(read_file(layer + "/cafe\xcc\x81"), "decomposed");
  EXPECT_TEXT(read_file(layer + "/raw\xff"), "bytes");
}

Test(image_import, hides_of_lower_layers_what_upper_ones_say_is_gone) {
  REQUIRE(Root);
  Sandbox box;
  const Entry lower_directory{
      .path = "d/", .mode = S_IFDIR | 02750, .uid = 7, .gid = 8, .xattrs = {{"user.note", "lower"}}};
  const Layer lower{.entries = {lower_directory, file("d/a", "1"), file("d/b", "1"), file("d/sub/c", "1"),
                                directory("o"), file("o/old", "1"), directory("again"), file("again/old", "1"),
                                file("linked", "shared", 0640), file("under/x", "1"), file("over/x", "1")}};
  const Layer upper{.entries = {file("d/.wh.a", ""), file("o/new", "2"), file("o/.wh..wh..opq", ""),
                                file("o/.wh.old", ""), directory("again"), file("again/new", "2"),
                                file(".wh.again", ""), file(".wh.never", ""), file("no/.wh.such", ""),
                                hardlink("d/copy", "linked"), file("d/sub/.wh.c", ""), file("over", "a file"),
                                file("over/.wh.x", "")}};
  write_layout(box.app() + "/image", {.layers = {lower, upper}});
  const auto layers = import_layers(box, "oci:image");
  cr_assert(layers.size() == 2);
  const std::string& top = layers[1];
  cr_expect(is_whiteout(top + "/d/a") && is_whiteout(top + "/d/sub/c"));
  EXPECT_TEXT(look(top + "/d"), "d 2750 7:8 0");  // no entry describes it there: it is as it was
  EXPECT_TEXT(xattr(top + "/d", "user.note"), "lower");
  EXPECT_TEXT(xattr(top + "/d", "trusted.overlay.opaque"), "none");
  EXPECT_TEXT(xattr(top + "/o", "trusted.overlay.opaque"), "y");
  EXPECT_TEXT(look(top + "/o/old"), "missing");  // a whiteout in an opaque directory would be listed
  EXPECT_TEXT(xattr(top + "/again", "trusted.overlay.opaque"), "y");
  for (const char* name : {"never", "no", "d/b", ".wh.never"}) EXPECT_TEXT(look(cat(top, "/", name)), "missing");
  EXPECT_TEXT(look(top + "/d/copy"), "- 0640 0:0 2");
  EXPECT_TEXT(read_file(top + "/d/copy"), "shared");
  EXPECT_TEXT(look(top + "/over"), "- 0644 0:0 1");

  // An opaque root: overlayfs knows no such mark, so each name is hidden by itself.
  write_layout(box.app() + "/bare", {.layers = {lower, {.entries = {file(".wh..wh..opq", ""), file("o/new", "2")}}}});
  const std::string bare = import_layers(box, "oci:bare").at(1);
  cr_expect(is_whiteout(bare + "/d") && is_whiteout(bare + "/linked") && is_whiteout(bare + "/again"));
  EXPECT_TEXT(xattr(bare + "/o", "trusted.overlay.opaque"), "y");
}

Test(image_import, refuses_documents_that_contradict_each_other) {
  REQUIRE(Root);
  Sandbox box;
  make_store(box);
  const std::string zeros(64, '0');
  const struct {
    const char* what;
    std::function<void(const Layout&)> spoil;
    std::string reason;
  } cases[] = {
      {"no index", [](const Layout& l) { unlink((l.path + "/index.json").c_str()); }, "index.json: no such file"},
      {"no layout version", [](const Layout& l) { unlink((l.path + "/oci-layout").c_str()); },
       "oci-layout: no such file"},
      {"an index that is a link",
       [](const Layout& l) {
         rename((l.path + "/index.json").c_str(), (l.path + "/real").c_str());
         cr_assert(0 == ::symlink("real", (l.path + "/index.json").c_str()));
       },
       "ELOOP"},
      {"an index that is a FIFO",
       [](const Layout& l) {
         unlink((l.path + "/index.json").c_str());
         mkfifo((l.path + "/index.json").c_str(), 0600);
       },
       "not a regular file"},
      {"a key twice", [](const Layout& l) { l.change_index("{", "{\"schemaVersion\":2,"); }, "a key given twice"},
      {"an index that is a manifest too", [](const Layout& l) { l.change_index("{", "{\"layers\":[],"); },
       "both an index and a manifest"},
      {"a manifest that is an index too", [](const Layout& l) { l.change_manifest("{", "{\"manifests\":[],"); },
       "both an index and a manifest"},
      {"a manifest of another type", [](const Layout& l) { l.change_manifest("image.manifest.v1", "image.index.v1"); },
       "was announced as"},
      {"a digest that is a path",
       [](const Layout& l) { l.change_index(digest_in(l.index(), "manifests"), "../../../../etc/passwd"); },
       "not sha256: and 64"},
      {"a blob that is missing", [&](const Layout& l) { l.change_index(digest_in(l.index(), "manifests"), zeros); },
       "no such file"},
      {"a size that is wrong", [](const Layout& l) { l.change_index("\"size\":", "\"size\":1"); },
       "its descriptor says"},
      {"a layer of other content",
       [](const Layout& l) { write_file(l.layer_path(), std::string(read_file(l.layer_path()).size(), 'x')); },
       "its content has another digest"},
      {"a truncated layer",
       [](const Layout& l) { write_file(l.layer_path(), read_file(l.layer_path()).substr(0, 30)); },
       "its descriptor says"},
      {"a layer that is missing", [](const Layout& l) { unlink(l.layer_path().c_str()); }, "no such file"},
      {"a layer that is not what it says", [](const Layout& l) { l.change_manifest("tar+gzip", "tar+zstd"); },
       "not compressed as its media type says"},
      {"a layer that unpacks to something else",
       [&](const Layout& l) {
         const std::string config = l.blob(digest_in(l.blob(digest_in(l.index(), "manifests")), "\"config\""));
         l.change_config(digest_in(config, "diff_ids"), zeros);
       },
       "the image says sha256:0000"},
      {"more diff ids than layers",
       [&](const Layout& l) { l.change_config("\"diff_ids\":[", cat("\"diff_ids\":[\"sha256:", zeros, "\",")); },
       "1 layers and 2 diff ids"},
      {"an image for another system", [](const Layout& l) { l.change_config("linux", "haiku"); }, "the image is for"},
      {"a bare key in Env", [](const Layout& l) { l.change_config("\"config\":{", "\"config\":{\"Env\":[\"HOME\"]"); },
       "is not KEY=VALUE"},
      {"a volume above the root",
       [](const Layout& l) { l.change_config("\"config\":{", "\"config\":{\"Volumes\":{\"/a/../..\":{}}"); },
       "Volumes"},
      {"a NUL in a string",
       [](const Layout& l) { l.change_config("\"config\":{", "\"config\":{\"User\":\"root\\u0000x\""); }, "a NUL"},
      {"no such tag", [](const Layout& l) { l.change_index("latest", "other"); }, "its tags are: other"},
  };
  for (const auto& one : cases) {
    const Layout layout{box.app() + "/image"};
    remove_tree(layout.path);
    write_layout(layout.path, {.layers = {{.entries = {file("a", std::string(3000, 'a'))}}}});
    one.spoil(layout);
    expect_refusal(box, one.what, "oci:image:latest", one.reason);
  }
}

Test(image_import, follows_indexes_two_deep_to_this_architecture) {
  REQUIRE(Root);
  Sandbox box;
  make_store(box);
  const Layout layout{box.app() + "/image"};
  write_layout(layout.path, {.layers = {{.entries = {file("a", "a")}}}});
  const std::string manifest = layout.index();
  const auto wrap = [&](const std::string& inner) {
    const std::string other = R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:)" +
                              std::string(64, '0') + R"(","size":1,"platform":{"os":"linux","architecture":"s390x"}})";
    const std::string content = replaced(inner, "\"manifests\":[", cat("\"manifests\":[", other, ","));
    const std::string digest = write_blob(layout.path, content);
    return cat(
        R"({"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:)",
        digest, R"(","size":)", content.size(), "}]}");
  };
  const std::string two_deep = wrap(wrap(manifest));
  write_file(layout.path + "/index.json", wrap(two_deep));
  expect_refusal(box, "three indexes", "oci:image", "nested more than 2 deep");
  write_file(layout.path + "/index.json", two_deep);
  cr_expect(import_layers(box, "oci:image").size() == 1);
}

Test(image_import, stops_at_bombs) {
  REQUIRE(Root);
  Sandbox box;
  make_store(box);
  box.write("huge.tar", header("huge", 100ULL << 30));
  expect_refusal(box, "a file of 100 GiB", "rootfs:huge.tar", "more than 64 GiB");
  // Two GiB of zeros behind the end mark, in a few KiB: nothing of it would reach the disk, but somebody has to unpack
  // it.
  const std::string zeros = zstd(std::string(64UL << 20, '\0'));
  box.write("zeros.tar.zst", zstd(header("a", 0) + std::string(1024, '\0')) + repeated(zeros, 32));
  expect_refusal(box, "zeros", "rootfs:zeros.tar.zst", "more than 1000 times its size");
  box.write("negative.tar", header("negative", ~0ULL));
  expect_refusal(box, "a size below zero", "rootfs:negative.tar", "negative");
  box.write("short.tar", header("short", 100'000) + "only this");
  expect_refusal(box, "a truncated tar", "rootfs:short.tar", "Truncated");
  box.write("short.tar.zst", zstd(header("a", 0) + std::string(70'000, 'x')).substr(0, 60));
  expect_refusal(box, "a truncated zstd stream", "rootfs:short.tar.zst", "ends early");
  box.write("text", "this is no archive, whatever its name says, and it is long enough to be looked at");
  expect_refusal(box, "a text", "rootfs:text", "archive");
  box.write("empty", "");
  expect_refusal(box, "an empty file", "rootfs:empty", "archive");
}

Test(image_import, reads_what_docker_saves) {
  REQUIRE(Root);
  Sandbox box;
  make_store(box);
  const std::string layer = tar({file("a", "content of a layer")}, Compression::kNone);
  const std::string packed = tar({file("a", "content of a layer")}, Compression::kGzip);
  const std::string config = cat(
      R"({"architecture":"amd64","os":"linux","config":{"Cmd":["x"]},"rootfs":{"type":"layers","diff_ids":["sha256:)",
      sha256(layer), "\"]}}");
  const std::string name = sha256(config) + ".json";
  const std::string manifest =
      cat(R"([{"Config":")", name,
          R"(","RepoTags":["web:1.0","host:5000/web:old","docker.io/library/db:2"],"Layers":["1/layer.tar"]}])");
  const auto archive = [&](std::vector<Entry> entries) { box.write("saved.tar", tar(entries, Compression::kNone)); };
  const Entry document = file("manifest.json", manifest), configuration = file(name, config);

  archive({document, configuration, soft_link("1/layer.tar", "/etc/passwd")});
  expect_refusal(box, "a layer that is a link", "docker-archive:saved.tar", "not a regular file in the archive");
  archive({document, configuration});
  expect_refusal(box, "a layer that is missing", "docker-archive:saved.tar", "1/layer.tar: no such file");
  archive({document, file(name, config + " "), file("1/layer.tar", layer)});
  expect_refusal(box, "a configuration of another digest", "docker-archive:saved.tar", "another digest");
  archive({document, configuration, file("1/layer.tar", layer + std::string(512, 'x'))});
  expect_refusal(box, "bytes behind the end of a layer", "docker-archive:saved.tar", "the image says");
  archive({document, configuration, file("1/layer.tar", layer), file("./1/layer.tar", layer)});
  expect_refusal(box, "a member twice", "docker-archive:saved.tar", "twice in the archive");
  archive({document, configuration, file("1/layer.tar", layer)});
  expect_refusal(box, "a tag that is not there", "docker-archive:saved.tar:3.0",
                 "its tags are: web:1.0, host:5000/web:old, docker.io/library/db:2");

  for (const char* tag : {"", ":1.0", ":web:1.0", ":old", ":db:2"})
    EXPECT_TEXT(read_file(import_layers(box, cat("docker-archive:saved.tar", tag)).at(0) + "/a"), "content of a layer");
  // The whole archive compressed, and a compressed layer in it: the same layer, by its content.
  box.write("saved.tar", tar({document, configuration, file("1/layer.tar", packed)}, Compression::kGzip));
  const Ran again = box.run(import(box, "docker-archive:saved.tar"));
  EXPECT_CONTAINS(again.out, "\"reused\":1");
  EXPECT_CONTAINS(read_file(cat(box.lib(), "/images/", name)), R"("Cmd":["x"])");
}

Test(image_import, takes_a_tree_and_its_archive_for_the_same_files) {
  REQUIRE(Root);
  Sandbox box;
  const std::string tree = box.app() + "/tree";
  write_file(tree + "/etc/name", "content");
  cr_assert(link((tree + "/etc/name").c_str(), (tree + "/etc/again").c_str()) == 0);
  cr_assert(0 == ::symlink("name", (tree + "/etc/short").c_str()));
  cr_assert(chmod((tree + "/etc").c_str(), 0711) == 0 && chown((tree + "/etc").c_str(), 5, 6) == 0);
  cr_assert(setxattr((tree + "/etc/name").c_str(), "user.note", "n", 1, 0) == 0);
  const std::string first = import_layers(box, "rootfs:tree").at(0);
  cr_expect(import_layers(box, "rootfs:tree").at(0) == first, "the same tree twice is two layers");
  EXPECT_TEXT(look(first + "/etc"), "d 0711 5:6 0");
  EXPECT_TEXT(look(first + "/etc/again"), "- 0644 0:0 2");
  EXPECT_TEXT(look(first + "/etc/short"), "l 0777 0:0 1");
  EXPECT_TEXT(xattr(first + "/etc/again", "user.note"), "n");
  EXPECT_TEXT(read_file(first + "/etc/name"), "content");
}

Test(image_import, leaves_a_full_disk_and_a_read_only_store_as_they_were) {
  REQUIRE(Root | PrivateNamespaces);
  Sandbox box;
  make_store(box);
  box.write("tree/big", std::string(16UL << 20, 'b'));
  cr_assert(mount("small", box.lib().c_str(), "tmpfs", 0, "size=8m,mode=0700") == 0);
  make_store(box);
  expect_refusal(box, "a full disk", "rootfs:tree", "No space left");
  cr_assert(mount(nullptr, box.lib().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0);
  expect_refusal(box, "a read-only store", "rootfs:tree", "EROFS");
  cr_assert(umount(box.lib().c_str()) == 0);
  cr_assert(chmod(box.lib().c_str(), 0777) == 0);
  expect_refusal(box, "a store that anybody can write", "rootfs:tree", "can be written by others");
}

Test(image_import, ends_cleanly_when_it_is_stopped) {
  REQUIRE(Root);
  Sandbox box;
  make_store(box);
  box.write("tree/a", "a");
  cr_assert(truncate((box.app() + "/tree/a").c_str(), 20L << 30) == 0);  // a hole that takes long to read
  box.remember();
  Program program = box.start(import(box, "rootfs:tree"));
  for (int tries = 0; tries < 500 && box.leftovers().find("/layers/.tmp-") == std::string::npos; ++tries)
    usleep(10'000);
  program.signal(SIGTERM);
  const Ran ran = program.wait();
  EXPECT_STATUS(ran, 1);
  EXPECT_CONTAINS(ran.err, "interrupted");
  EXPECT_NOTHING_LEFT(box);
}

Test(image_import, may_run_twice_at_once) {
  REQUIRE(Root);
  Sandbox box;
  write_layout(box.app() + "/image",
               {.layers = {{.entries = {file("a", std::string(8UL << 20, 'a'))}}, {.entries = {file("b", "b")}}}});
  Program first = box.start(import(box, "oci:image")), second = box.start(import(box, "oci:image"));
  const Ran one = first.wait(), two = second.wait();
  EXPECT_STATUS(one, 0);
  EXPECT_STATUS(two, 0);
  const auto upto_reused = [](const std::string& out) { return out.substr(0, out.find(",\"reused\"")); };
  EXPECT_TEXT(upto_reused(one.out), upto_reused(two.out));
  cr_expect(box.leftovers().find(".tmp-") == std::string::npos, "%s", box.leftovers().c_str());
  EXPECT_CONTAINS(box.run(import(box, "oci:image")).out, "\"reused\":2");
}

Test(image_import, says_that_registries_come_later) {
  Sandbox box;
  expect_refusal(box, "a registry", "docker.io/library/debian:12", "not pulled from registries yet");
  expect_refusal(box, "no path", "oci:", "no path after oci:");
  EXPECT_STATUS(box.run({Sandbox::build() + "/convox-image"}), 1);
}
