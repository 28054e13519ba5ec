#include "runtime/base/result.h"

#include <cstring>

namespace convox {

std::string describe(Errno error) {
  const char* words = strerrordesc_np(error.value);
  const char* name = strerrorname_np(error.value);
  return cat(words ? words : "Unknown error", " (", name ? name : cat(error.value), ")");
}

Error os_error(std::string_view call, std::string_view object, Errno error) {
  std::string text(call);
  if (!object.empty()) text = cat(text, " ", object);
  return Error{Error::Kind::kSystem, error.value, cat(text, ": ", describe(error)), {}};
}

}  // namespace convox
