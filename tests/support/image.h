// How does a test make an OCI image, a sound one or a hostile one?
//
// A layer is a list of entries written as they stand: no name is cleaned, so `../x`, absolute names and forged
// whiteouts come out as they were asked for. Written by libarchive's writer, hashed by OpenSSL; the programs under test
// only ever read. Specification: OCI image-spec, image-layout.md, manifest.md, layer.md, config.md.
#pragma once
#include <sys/stat.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace convox::test {

struct Entry {
  std::string path;
  unsigned mode = S_IFREG | 0644;  // type and permissions
  std::string content;
  std::string symlink, hardlink;  // where it leads; a hard link needs no mode
  unsigned uid = 0, gid = 0;
  unsigned major = 0, minor = 0;
  std::map<std::string, std::string> xattrs;
  long declared_size = -1;  // what the header claims, if not the truth
};

Entry file(std::string path, std::string content, unsigned permissions = 0644);
Entry directory(std::string path, unsigned permissions = 0755);
Entry symlink(std::string path, std::string target);
Entry hardlink(std::string path, std::string target);

enum class Compression { kNone, kGzip, kZstd };

struct Layer {
  std::vector<Entry> entries;
  Compression compression = Compression::kGzip;
};

struct Image {
  std::vector<Layer> layers;
  std::string config = "{}";  // the JSON object under "config": Env, Cmd, WorkingDir, ...
};

std::string tar(const std::vector<Entry>& entries, Compression compression);
std::string sha256(std::string_view bytes);  // 64 hex digits

// Writes the layout `directory` with this one image under `tag`. Returns the image id (the digest of its config).
std::string write_layout(const std::string& directory, const Image& image, const std::string& tag = "latest");
// Writes blobs/sha256/DIGEST below a layout and returns DIGEST: for tests that put a layout together by hand.
std::string write_blob(const std::string& layout, std::string_view bytes);

// testbox and busybox-static with its applets, root and `app` (uid 1000) in /etc/passwd, /app with a few files;
// WorkingDir /app.
Image testbox_image();

}  // namespace convox::test
