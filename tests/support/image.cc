#include "tests/support/image.h"

#include <archive.h>
#include <archive_entry.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <openssl/evp.h>

#include "runtime/base/cat.h"
#include "tests/support/files.h"
#include "tests/support/sandbox.h"

namespace convox::test {
namespace {

la_ssize_t keep(archive*, void* into, const void* bytes, size_t size) {
  static_cast<std::string*>(into)->append(static_cast<const char*>(bytes), size);
  return static_cast<la_ssize_t>(size);
}

void write_entry(archive* to, const Entry& entry) {
  archive_entry* header = archive_entry_new();
  archive_entry_set_pathname(header, entry.path.c_str());
  archive_entry_set_mode(header, entry.mode);
  archive_entry_set_uid(header, entry.uid);
  archive_entry_set_gid(header, entry.gid);
  archive_entry_set_mtime(header, 1'000'000'000, 0);
  if (S_ISREG(entry.mode))
    archive_entry_set_size(header,
                           entry.declared_size >= 0 ? entry.declared_size : static_cast<long>(entry.content.size()));
  if (!entry.symlink.empty()) archive_entry_set_symlink(header, entry.symlink.c_str());
  if (!entry.hardlink.empty()) {
    archive_entry_set_hardlink(header, entry.hardlink.c_str());
    archive_entry_set_size(header, 0);
  }
  archive_entry_set_rdevmajor(header, entry.major);
  archive_entry_set_rdevminor(header, entry.minor);
  for (const auto& [name, value] : entry.xattrs)
    archive_entry_xattr_add_entry(header, name.c_str(), value.data(), value.size());
  // A warning is about names that are not ASCII, which the C locale cannot convert: they are written as they are.
  if (archive_write_header(to, header) < ARCHIVE_WARN)
    cr_fatal("the harness cannot write %s: %s", entry.path.c_str(), archive_error_string(to));
  archive_write_data(to, entry.content.data(), entry.content.size());
  archive_entry_free(header);
}

std::string descriptor(std::string_view type, const std::string& blob, std::string_view more = {}) {
  return cat(R"({"mediaType":"application/vnd.oci.image.)", type, R"(","digest":"sha256:)", sha256(blob),
             R"(","size":)", blob.size(), more, "}");
}

std::string_view media_type(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "layer.v1.tar+gzip";
    case Compression::kZstd:
      return "layer.v1.tar+zstd";
    case Compression::kNone:
      break;
  }
  return "layer.v1.tar";
}

constexpr const char* kApplets[] = {
    "awk",   "cat",   "chmod", "chown", "cp",     "date",     "dd",   "df",       "echo",   "env",
    "expr",  "false", "find",  "grep",  "head",   "hostname", "id",   "kill",     "ln",     "ls",
    "mkdir", "mount", "mv",    "nc",    "printf", "ps",       "pwd",  "readlink", "rm",     "sed",
    "seq",   "sh",    "sleep", "sort",  "stat",   "stty",     "sync", "tail",     "test",   "touch",
    "tr",    "true",  "tty",   "umask", "umount", "uname",    "vi",   "wc",       "whoami", "yes"};

}  // namespace

Entry file(std::string path, std::string content, unsigned permissions) {
  return {.path = std::move(path), .mode = S_IFREG | permissions, .content = std::move(content)};
}
Entry directory(std::string path, unsigned permissions) {
  return {.path = std::move(path), .mode = S_IFDIR | permissions};
}
Entry symlink(std::string path, std::string target) {
  return {.path = std::move(path), .mode = S_IFLNK | 0777, .symlink = std::move(target)};
}
Entry hardlink(std::string path, std::string target) {
  return {.path = std::move(path), .hardlink = std::move(target)};
}

std::string tar(const std::vector<Entry>& entries, Compression compression) {
  std::string bytes;
  archive* to = archive_write_new();
  archive_write_set_format_pax_restricted(to);  // pax headers only where ustar has no room, for xattrs and long names
  if (compression == Compression::kGzip) archive_write_add_filter_gzip(to);
  if (compression == Compression::kZstd) archive_write_add_filter_zstd(to);
  archive_write_set_bytes_in_last_block(to, 1);
  archive_write_open(to, &bytes, nullptr, keep, nullptr);
  for (const Entry& entry : entries) write_entry(to, entry);
  archive_write_close(to);
  archive_write_free(to);
  return bytes;
}

std::string sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned at = 0; at < size; ++at) {
    hex += "0123456789abcdef"[digest[at] >> 4];
    hex += "0123456789abcdef"[digest[at] & 15];
  }
  return hex;
}

std::string write_blob(const std::string& layout, std::string_view bytes) {
  const std::string digest = sha256(bytes);
  write_file(cat(layout, "/blobs/sha256/", digest), bytes);
  return digest;
}

std::string write_layout(const std::string& directory, const Image& image, const std::string& tag) {
  std::string diff_ids, layers;
  for (const Layer& layer : image.layers) {
    const std::string blob = tar(layer.entries, layer.compression);
    write_blob(directory, blob);
    const char* comma = layers.empty() ? "" : ",";
    layers += cat(comma, descriptor(media_type(layer.compression), blob));
    diff_ids += cat(comma, "\"sha256:", sha256(tar(layer.entries, Compression::kNone)), "\"");
  }
  const std::string config = cat(R"({"architecture":"amd64","os":"linux","config":)", image.config,
                                 R"(,"rootfs":{"type":"layers","diff_ids":[)", diff_ids, "]}}");
  const std::string manifest =
      cat(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)",
          descriptor("config.v1+json", config), R"(,"layers":[)", layers, "]}");
  const std::string name = cat(R"(,"annotations":{"org.opencontainers.image.ref.name":")", tag, R"("})");
  write_blob(directory, manifest);
  write_file(directory + "/index.json",
             cat(R"({"schemaVersion":2,"manifests":[)", descriptor("manifest.v1+json", manifest, name), "]}"));
  write_file(directory + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  return write_blob(directory, config);
}

Image testbox_image() {
  Layer base;
  for (const char* name : {"bin/", "etc/", "root/", "var/", "usr/", "home/"}) base.entries.push_back(directory(name));
  base.entries.push_back(directory("tmp/", 01777));
  for (const char* name : {"proc/", "sys/", "dev/"}) base.entries.push_back(directory(name, 0555));
  base.entries.push_back(file("bin/busybox", read_file("/bin/busybox"), 0755));
  for (const char* applet : kApplets) base.entries.push_back(hardlink(cat("bin/", applet), "bin/busybox"));
  base.entries.push_back(file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n"));
  base.entries.push_back(file("etc/group", "root:x:0:\ntty:x:5:\napp:x:1000:\nstaff:x:50:app\n"));
  base.entries.push_back({.path = "home/app/", .mode = S_IFDIR | 0755, .uid = 1000, .gid = 1000});

  Layer app;
  app.entries.push_back(file("bin/testbox", read_file(Sandbox::build() + "/tests/testbox"), 0755));
  app.entries.push_back(directory("app/"));
  app.entries.push_back(file("app/README", "an app for tests\n"));
  app.entries.push_back(directory("app/bin/"));
  app.entries.push_back(file("app/bin/task", "#!/bin/sh\necho task \"$@\"\n", 0755));
  app.entries.push_back(file("app/bin/not-executable", "#!/bin/sh\n", 0644));
  return {
      .layers = {base, app},
      .config = R"({"Env":["PATH=/usr/local/bin:/usr/bin:/bin","FROM_IMAGE=yes"],"WorkingDir":"/app","Cmd":["sh"]})"};
}

}  // namespace convox::test
