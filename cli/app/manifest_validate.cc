#include "cli/app/manifest_validate.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "cli/app/app_name.h"

namespace convox::app {
namespace {

constexpr std::string_view kNameRule = "must contain only lowercase alphanumeric and dashes";

using Problems = std::vector<std::string>;

template <class Thing>
bool has(const std::vector<Thing>& things, std::string_view name) {
  return std::ranges::find(things, name, &Thing::name) != things.end();
}

void check_name(std::string_view kind, const std::string& name, Problems& problems) {
  if (!is_name(name)) problems.push_back(cat(kind, " name ", name, " invalid, ", kNameRule));
}

void check_balancer(const Balancer& balancer, const Manifest& manifest, Problems& problems) {
  const std::string who = cat("balancer ", balancer.name);
  if (balancer.ports.empty()) problems.push_back(cat(who, " has no ports"));
  if (balancer.service.empty())
    problems.push_back(cat(who, " has blank service"));
  else if (!has(manifest.services, balancer.service))
    problems.push_back(cat(who, " refers to unknown service ", balancer.service));
  for (const std::string& range : balancer.whitelist)
    if (!is_cidr(range)) problems.push_back(cat(who, " whitelist ", range, " is not a valid cidr range"));
}

void check_resource(const Resource& resource, Problems& problems) {
  check_name("resource", resource.name, problems);
  if (resource.type.find_first_not_of(" \t") == std::string::npos)
    problems.push_back(cat("resource \"", resource.name, "\" has blank type"));
}

void check_deployment(const Service& service, Problems& problems) {
  const std::string who = cat("service ", service.name, " deployment ");
  if (service.deployment_min < 0) problems.push_back(cat(who, "minimum can not be less than 0"));
  if (service.deployment_min > 100) problems.push_back(cat(who, "minimum can not be greater than 100"));
  if (service.deployment_max < 100) problems.push_back(cat(who, "maximum can not be less than 100"));
  if (service.deployment_max > 200) problems.push_back(cat(who, "maximum can not be greater than 200"));
}

void check_empty_dir(const EmptyDir& dir, Problems& problems) {
  if (dir.id.empty())
    problems.push_back("emptyDir.id is required");
  else if (dir.path.empty())
    problems.push_back("emptyDir.mountPath is required");
  else if (!dir.medium.empty() && dir.medium != "Memory")
    problems.push_back("emptyDir.medium's allowed values: Memory");
}

// The first thing that is wrong, or nothing.
std::string security_problem(const SecurityContext& security) {
  if (security.run_as_non_root.value_or(false) && security.run_as_user == 0)
    return "securityContext: runAsNonRoot=true is incompatible with runAsUser=0";
  if (const std::string& profile = security.seccomp_profile;
      !profile.empty() && profile != "RuntimeDefault" && profile != "Unconfined")
    return cat("securityContext.seccompProfile: \"", profile,
               "\" is not a supported value; allowed: RuntimeDefault, Unconfined");
  for (const auto& [list, names] : {std::pair("add", &security.add), std::pair("drop", &security.drop)})
    for (const std::string& name : *names)
      if (name.starts_with("CAP_"))
        return cat("securityContext.capabilities.", list, ": \"", name, "\" must not include CAP_ prefix (use \"",
                   name.substr(4), "\")");
  for (const auto& [key, id] :
       {std::pair("runAsUser", security.run_as_user), std::pair("runAsGroup", security.run_as_group)})
    if (id && (*id < 0 || *id > 65534)) return cat("securityContext.", key, ": ", *id, " is not between 0 and 65534");
  return {};
}

void check_config_mount(const ConfigMount& mount, const Manifest& manifest, Problems& problems) {
  if (mount.id.empty())
    problems.push_back("configMounts[*].id is required");
  else if (mount.dir.empty())
    problems.push_back("configMounts[*].dir is required");
  else if (mount.filename.empty())
    problems.push_back("configMounts[*].filename is required");
  if (std::ranges::find(manifest.configs, mount.id, &Config::id) == manifest.configs.end())
    problems.push_back(cat("config id: '", mount.id, "' not found"));
}

void check_service(const Service& service, const Manifest& manifest, Problems& problems) {
  const std::string who = cat("service ", service.name);
  check_name("service", service.name, problems);
  check_deployment(service, problems);
  if (service.internal && service.internal_router)
    problems.push_back(cat(who, " can not have both internal and internalRouter set as true"));
  for (const std::string& entry : service.resources)
    if (const std::string name = entry.substr(0, entry.find(':')); !has(manifest.resources, name))
      problems.push_back(cat(who, " references a resource that does not exist: ", name));
  for (const EmptyDir& dir : service.empty_dirs) check_empty_dir(dir, problems);
  if (const std::string problem = security_problem(service.security); !problem.empty())
    problems.push_back(cat(who, ": ", problem));
  for (const ConfigMount& mount : service.config_mounts) check_config_mount(mount, manifest, problems);
  if (service.scale.min < 0) problems.push_back(cat(who, ": scale.min must be >= 0"));
  if (service.scale.max < 0) problems.push_back(cat(who, ": scale.max must be >= 0"));
  if (service.scale.max < service.scale.min) problems.push_back(cat(who, ": scale.max must be >= scale.min"));
}

void check_timer(const Timer& timer, const Manifest& manifest, Problems& problems) {
  check_name("timer", timer.name, problems);
  if (!has(manifest.services, timer.service))
    problems.push_back(cat("timer ", timer.name, " references a service that does not exist: ", timer.service));
}

}  // namespace

bool is_cidr(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return false;
  const std::string address = text.substr(0, slash);
  unsigned char bytes[16];
  const int most = inet_pton(AF_INET, address.c_str(), bytes) == 1    ? 32
                   : inet_pton(AF_INET6, address.c_str(), bytes) == 1 ? 128
                                                                      : -1;
  int bits = -1;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data() + slash + 1, end, bits);
  return error == std::errc() && at == end && bits >= 0 && bits <= most;
}

Result<> validate(const Manifest& manifest) {
  Problems problems;
  if (std::ranges::any_of(manifest.configs, &std::string::empty, &Config::id))
    problems.push_back("configs[*].id is required");
  for (const Balancer& balancer : manifest.balancers) check_balancer(balancer, manifest, problems);
  for (const Resource& resource : manifest.resources) check_resource(resource, problems);
  for (const Service& service : manifest.services) check_service(service, manifest, problems);
  for (const Timer& timer : manifest.timers) check_timer(timer, manifest, problems);
  if (problems.empty()) return ok();
  Error error = invalid("validation errors:");
  error.more = std::move(problems);
  return error;
}

}  // namespace convox::app
