// Is this content what its name says? SHA-256 by OpenSSL, which uses the processor's own instructions.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "rootfs/image/stream.h"

struct evp_md_ctx_st;

namespace convox::rootfs {

class Sha256 {
 public:
  Sha256();
  void add(std::string_view bytes);
  std::string hex();  // ends it

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

std::string sha256(std::string_view bytes);
Result<std::string> sha256(Stream& from);

// "sha256:" and 64 lowercase hex digits give those digits; everything else is refused before it comes near a path.
Result<std::string> parse_digest(std::string_view digest);

// The chain id of a layer: the name of its content *on top of all layers below it*, since what a layer's archive leaves
// unsaid (parents, hard link targets) comes from there.  OCI image-spec, config.md, "Layer ChainID"
std::string chain_id(std::string_view below, std::string_view diff_id);

// Passes everything on and hashes it on the way.
class HashingStream final : public Stream {
 public:
  explicit HashingStream(Stream& from) : from_(from) {}
  Result<std::size_t> read(char* into, std::size_t size) override;
  std::string hex() { return hash_.hex(); }

 private:
  Stream& from_;
  Sha256 hash_;
};

}  // namespace convox::rootfs
