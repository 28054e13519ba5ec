#include "runtime/security/capabilities.h"

#include <sys/capability.h>

namespace convox::security {

Result<CapabilitySet> parse_capability(std::string_view name, CapabilitySet all) {
  // libcap also takes numbers, and stops reading at a NUL: letters and underscores only.
  std::string lower;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (!upper && !(c >= 'a' && c <= 'z') && c != '_') return invalid(cat("unknown capability '", name, "'"));
    lower += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (lower == "all") return all;
  if (!lower.starts_with("cap_")) lower = cat("cap_", lower);
  cap_value_t number = 0;
  if (cap_from_name(lower.c_str(), &number) != 0 || number < 0 || number > 63)
    return invalid(cat("unknown capability '", name, "'"));
  const CapabilitySet one = bit(static_cast<unsigned>(number));
  if (!(all & one)) return invalid(cat("this kernel has no capability '", name, "'"));
  return one;
}

Result<CapabilitySet> adjust(CapabilitySet from, const std::vector<std::string>& add,
                             const std::vector<std::string>& drop, CapabilitySet all) {
  CapabilitySet added = 0, dropped = 0, added_by_name = 0, dropped_by_name = 0;
  for (const std::string& name : add) {
    const CapabilitySet set = TRY(parse_capability(name, all));
    (set == all ? added : added_by_name) |= set;
  }
  for (const std::string& name : drop) {
    const CapabilitySet set = TRY(parse_capability(name, all));
    (set == all ? dropped : dropped_by_name) |= set;
  }
  if (added && dropped) return invalid("capability ALL is both added and dropped");
  if (const CapabilitySet both = added_by_name & dropped_by_name)
    return invalid(cat("capability ", names(both), " is both added and dropped"));
  return (((from & ~dropped) | added) & ~dropped_by_name) | added_by_name;
}

std::string names(CapabilitySet set) {
  std::string text;
  for (unsigned capability = 0; capability < 64; ++capability) {
    if (!(set & bit(capability))) continue;
    char* name = cap_to_name(static_cast<cap_value_t>(capability));  // "cap_chown", or a number: cap_to_name(3)
    if (!text.empty()) text += ' ';
    std::string_view rest = name ? name : "";
    if (rest.starts_with("cap_")) rest.remove_prefix(4);
    for (const char c : rest) text += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    cap_free(name);
  }
  return text.empty() ? "none" : text;
}

}  // namespace convox::security
