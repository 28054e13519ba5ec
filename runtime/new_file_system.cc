#include "runtime/new_file_system.h"

#include <linux/mount.h>

namespace convox::runtime {

Result<NewFileSystem> NewFileSystem::open(const char* type) {
  return NewFileSystem(UniqueFd(TRY(check(sys::fsopen(type, FSOPEN_CLOEXEC), "fsopen", type))), type);
}

Result<> NewFileSystem::set(const char* key, const std::string& value) {
  return checked(sys::fsconfig(context_.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0), cat(key, "=", value));
}

Result<> NewFileSystem::set(const char* flag) {
  return checked(sys::fsconfig(context_.get(), FSCONFIG_SET_FLAG, flag, nullptr, 0), flag);
}

Result<> NewFileSystem::set_option(const std::string& option) {
  const std::size_t equals = option.find('=');
  if (equals == std::string::npos) return set(option.c_str());
  return set(option.substr(0, equals).c_str(), option.substr(equals + 1));
}

Result<UniqueFd> NewFileSystem::create(std::uint64_t attributes) {
  TRY(checked(sys::fsconfig(context_.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), "create"));
  const long tree = sys::fsmount(context_.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes));
  return UniqueFd(TRY(check(tree, "fsmount", type_)));
}

// The kernel explains itself in words that can be read from the context: "e overlay: ..." and a newline.
Result<> NewFileSystem::checked(long rc, std::string_view what) {
  if (rc >= 0) return ok();
  Error error = os_error("fsconfig", cat(type_, " ", what), Errno(rc));
  char words[256];
  const long size = sys::read(context_.get(), words, sizeof words);
  if (size > 2) {
    std::string_view told(words + 2, static_cast<std::size_t>(size) - 2);
    if (told.ends_with('\n')) told.remove_suffix(1);
    error.text = cat(error.text, " (", told, ")");
  }
  return error;
}

}  // namespace convox::runtime
