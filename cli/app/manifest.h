// What does an app consist of? Its convox.yml, read, with every default filled in.
//
// The way of a manifest: text, ${NAME} replaced (manifest.cc) -> tree of nodes with line numbers (manifest_yaml.h) ->
// these types (manifest_read.h), defaults and all -> checked against itself (manifest_validate.h). Nobody sees a
// Manifest that did not pass all four. Key names and meanings are Convox's.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/app/environment.h"
#include "runtime/base/result.h"

namespace convox::app {

using Pairs = std::vector<std::pair<std::string, std::string>>;  // a mapping of strings, in the order of the file

struct Build {
  std::string path;  // empty: the service has an image
  std::string manifest = "Dockerfile";
  std::vector<std::string> args;
};

struct Port {
  int number = 0;        // 0: none
  std::string protocol;  // of `port`: http, https, grpc, ...; of `ports`: tcp, udp
};

struct Health {  // GET `path` every `interval` seconds
  std::string path = "/";
  int interval = 5, grace = 5, timeout = 4;  // grace: as interval; timeout: interval - 1
  int port = 0;                              // 0: the service's
  bool disable = false;
};

struct Probe {  // liveness and startupProbe; off without a path or a port
  std::string path;
  int tcp_port = 0;
  int grace = 10, interval = 5, timeout = 5, successes = 1, failures = 3;
};

struct Scale {
  int min = 1, max = 1;                          // processes; 0: a template for run and timers
  std::int64_t cpu = 250, memory = 512;          // requests: millicores, MB
  std::int64_t cpu_limit = 0, memory_limit = 0;  // 0: not given
};

// One entry of `volumes`. The three kinds lie in three places, which the launch decides.
struct Volume {
  enum class Kind {
    kService,  // "/data": the service's own; `source` is "data"
    kApp,      // "name:/data": shared by the app's services; `source` is the name, which may have slashes inside
    kHost,     // "/proc/x:/data": one of the few host paths that Convox allows; `source` is that path
  };
  Kind kind = Kind::kService;
  std::string source;
  std::string path;  // in the container: absolute, without `..`
};

struct EmptyDir {  // of volumeOptions: a directory of one process
  std::string id, path;
  std::string medium;           // "Memory": a tmpfs; empty: a directory on disk
  std::int64_t size_limit = 0;  // bytes; 0: none
};

struct SecurityContext {
  std::optional<bool> run_as_non_root, allow_privilege_escalation;
  std::optional<std::int64_t> run_as_user, run_as_group;
  bool read_only_root = false;
  std::vector<std::string> add, drop;  // capabilities without CAP_, or ALL
  std::string seccomp_profile;         // RuntimeDefault, Unconfined or empty
};

struct ConfigMount {
  std::string id, dir, filename;
};

struct InitContainer {
  std::string command, image;
  std::vector<EmptyDir> empty_dirs;
  std::vector<ConfigMount> config_mounts;
};

struct Service {
  std::string name;
  std::string image;  // wins over build
  Build build;
  std::string command;                   // empty: the image's
  std::vector<std::string> environment;  // "NAME=default", "NAME" (required), "*"; the app's entries first
  std::vector<Volume> volumes;
  std::vector<EmptyDir> empty_dirs;
  SecurityContext security;
  bool privileged = false;
  // Is PID 1 a reaper of ours? Convox's default is yes, but the process ids of its seed show the command itself as
  // PID 1. So only an explicit true counts for that.
  bool init = true, init_given = false;
  int grace = 30;  // seconds from SIGTERM to SIGKILL
  Scale scale;
  Port port;
  std::vector<Port> ports;
  Health health;
  std::optional<Probe> liveness, startup;
  int deployment_min = 50, deployment_max = 200;  // percent
  bool singleton = false, agent = false, internal = false, internal_router = false, sticky = false;
  bool tls_redirect = true;
  int timeout = 60;
  std::vector<std::string> domains;
  std::vector<std::string> whitelist;
  std::vector<std::string> resources;  // "name" or "name:ENV"
  std::vector<ConfigMount> config_mounts;
  std::optional<InitContainer> init_container;
  std::string pre_stop, post_start, test;
  Pairs labels, annotations;
};

struct Timer {
  std::string name, command, schedule, service;  // schedule: five cron fields, UTC
  enum class Concurrency { kAllow, kForbid, kReplace } concurrency = Concurrency::kAllow;
  int parallel = 1;
};

struct BalancerPort {
  int listen = 0, target = 0;
  std::string protocol = "TCP";
};

struct Balancer {
  std::string name, service;
  std::vector<BalancerPort> ports;
  std::vector<std::string> whitelist;
};

struct Resource {
  std::string name, type, image;
  Pairs options;
};

struct Config {
  std::string id, name, value;
};

// Something that is accepted and has no effect. The caller prints it on stderr.
struct Warning {
  int line = 0;
  std::string text;
};

struct Manifest {
  std::vector<Service> services;  // all lists are in the order of the file
  std::vector<std::string> environment;
  std::vector<Timer> timers;
  std::vector<Balancer> balancers;
  std::vector<Resource> resources;
  std::vector<Config> configs;
  Pairs labels, params;
  std::vector<Warning> warnings;
  std::string source;  // the text as it was given, before ${NAME} was replaced

  Result<const Service*> service(std::string_view name) const;  // or `no such service: NAME`
};

// `environment` is the release's: it fills ${NAME} and answers for required variables. It is not changed.
Result<Manifest> parse_manifest(std::string_view text, const Environment& environment);

// The variables a service gets from its declarations and the release: declared ones only, unless one is `*`. A missing
// required variable is `required env: A, B`.
Result<Environment> service_environment(const Service& service, const Environment& release);

}  // namespace convox::app
