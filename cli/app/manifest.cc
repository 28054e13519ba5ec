#include "cli/app/manifest.h"

#include <algorithm>

#include "cli/app/manifest_read.h"
#include "cli/app/manifest_validate.h"
#include "cli/app/manifest_yaml.h"

namespace convox::app {
namespace {

// Puts values in place of ${NAME}, before anything else looks at the text. A value therefore lands in the middle of
// YAML; one with a line break could add keys to it and is refused. An unset name gives nothing; there are no defaults.
Result<std::string> interpolate(std::string_view text, const Environment& environment) {
  std::string made;
  for (std::size_t at = 0;;) {
    const std::size_t open = text.find("${", at);
    const std::size_t close = open == text.npos ? text.npos : text.find('}', open);
    made += text.substr(at, close == text.npos ? text.npos : open - at);
    if (close == text.npos) return made;
    const std::string_view name = text.substr(open + 2, close - open - 2);
    if (!is_variable_name(name))
      return invalid(cat("line ", std::ranges::count(text.substr(0, open), '\n') + 1, ": ${", name,
                         "}: only the name of a variable can stand here"));
    if (const auto value = environment.find(name); value != environment.end()) {
      if (value->second.find_first_of("\r\n") != std::string::npos)
        return invalid(cat("${", name, "}: a value with a line break cannot be put into convox.yml"));
      made += value->second;
    }
    if (made.size() > kYamlBytes) return invalid(cat("yaml: more than ", kYamlBytes, " bytes"));
    at = close + 1;
  }
}

}  // namespace

Result<Environment> service_environment(const Service& service, const Environment& release) {
  Environment made;
  std::vector<std::string> missing;
  for (const std::string& declaration : service.environment) {
    const std::size_t equals = declaration.find('=');
    const std::string name = declaration.substr(0, equals);
    const auto given = release.find(name);
    if (declaration == "*") {
      for (const auto& [key, value] : release) made[key] = value;
    } else if (given != release.end()) {
      made[name] = given->second;
    } else if (equals != std::string::npos) {
      made[name] = declaration.substr(equals + 1);
    } else {
      missing.push_back(name);
    }
  }
  if (missing.empty()) return made;
  std::ranges::sort(missing);
  std::string names;
  for (const std::string& name : missing) names += cat(names.empty() ? "" : ", ", name);
  return invalid(cat("required env: ", names));
}

Result<const Service*> Manifest::service(std::string_view name) const {
  const auto at = std::ranges::find(services, name, &Service::name);
  if (at == services.end()) return not_found(cat("no such service: ", name));
  return &*at;
}

Result<Manifest> parse_manifest(std::string_view text, const Environment& environment) {
  if (text.size() > kYamlBytes) return invalid(cat("yaml: more than ", kYamlBytes, " bytes"));
  const std::string filled = TRY(interpolate(text, environment));
  const YamlNode root = TRY(parse_yaml(filled));
  Manifest manifest = TRY(read_manifest(root));
  for (const Service& service : manifest.services) TRY(service_environment(service, environment));
  TRY(validate(manifest));
  std::ranges::stable_sort(manifest.warnings, {}, &Warning::line);
  manifest.source = text;
  return manifest;
}

}  // namespace convox::app
