// How is a new instance of a file system made, without a place in any mount table?
#pragma once
#include <string>
#include <string_view>

#include "runtime/base/result.h"
#include "runtime/base/unique_fd.h"

namespace convox::runtime {

// A file system under construction: options first, then create() gives a detached mount.  fsopen(2), fsconfig(2),
// fsmount(2)
class NewFileSystem {
 public:
  static Result<NewFileSystem> open(const char* type);
  Result<> set(const char* key, const std::string& value);
  Result<> set(const char* flag);
  Result<> set_option(const std::string& option);     // "KEY=VALUE" or "KEY"
  Result<UniqueFd> create(std::uint64_t attributes);  // MOUNT_ATTR_*

 private:
  NewFileSystem(UniqueFd context, const char* type) : context_(std::move(context)), type_(type) {}
  Result<> checked(long rc, std::string_view what);

  UniqueFd context_;
  const char* type_;
};

}  // namespace convox::runtime
