#include "rootfs/image/digest.h"

#include <openssl/evp.h>

#include <cstdlib>

#include "rootfs/image_record.h"

namespace convox::rootfs {
namespace {

// EVP fails only without memory or without the algorithm; going on without a hash is not an option.
void must(int done) {
  if (done != 1) std::abort();
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) { must(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }

void Sha256::add(std::string_view bytes) { must(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size())); }

std::string Sha256::hex() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  must(EVP_DigestFinal_ex(context_.get(), raw, &size));
  std::string digits;
  for (unsigned at = 0; at < size; ++at) {
    digits += "0123456789abcdef"[raw[at] >> 4];
    digits += "0123456789abcdef"[raw[at] & 15];
  }
  return digits;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.hex();
}

Result<std::string> sha256(Stream& from) {
  HashingStream hashed(from);
  TRY(drain(hashed));
  return hashed.hex();
}

Result<std::string> parse_digest(std::string_view digest) {
  constexpr std::string_view kPrefix = "sha256:";
  if (!digest.starts_with(kPrefix) || !is_hex_digest(digest.substr(kPrefix.size())))
    return invalid(cat("digest \"", digest.substr(0, 80), "\": not sha256: and 64 lowercase hex digits"));
  return std::string(digest.substr(kPrefix.size()));
}

std::string chain_id(std::string_view below, std::string_view diff_id) {
  if (below.empty()) return std::string(diff_id);
  return sha256(cat("sha256:", below, " sha256:", diff_id));
}

Result<std::size_t> HashingStream::read(char* into, std::size_t size) {
  const std::size_t got = TRY(from_.read(into, size));
  hash_.add({into, got});
  return got;
}

}  // namespace convox::rootfs
