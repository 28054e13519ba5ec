// convox.yml means what it means to Convox: values, defaults, messages.
#include "cli/app/manifest.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "cli/output.h"
#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::app;

namespace {

const Environment kNone;

// The manifest of a text that has to be good.
Manifest loaded(std::string_view text, const Environment& environment = kNone) {
  auto manifest = parse_manifest(text, environment);
  cr_assert(manifest.has_value(), "%s", manifest ? "" : cli::error_line(manifest.error()).c_str());
  return *std::move(manifest);
}

// The error of one that must not be.
std::string refused(std::string_view text, const Environment& environment = kNone) {
  const auto manifest = parse_manifest(text, environment);
  if (manifest) return "accepted";
  std::string words = manifest.error().text;
  for (const std::string& line : manifest.error().more) words += cat("\n", line);
  return words;
}

std::string warned(std::string_view text) {
  std::string words;
  for (const auto& [line, what] : loaded(text).warnings) words += cat(line, ": ", what, "\n");
  return words;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string words;
  for (const std::string& text : texts) words += cat(words.empty() ? "" : " ", text);
  return words;
}

constexpr std::string_view kSeed = R"(
environment:
  - RAILS_ENV=production
  - SECRET_KEY_BASE
services:
  web:
    build: .
    command: bin/web
    port: 3000
    health: /up
    scale: {count: 2, cpu: 250, memory: 256, limit: {memory: 512}}
  worker:
    build: .
    command: sidekiq
    termination: {grace: 60}
  jobs:
    build: .
    scale: 0
timers:
  nightly:
    schedule: "15 2 * * *"
    command: bin/cleanup --days 30
    service: jobs
    concurrency: Forbid
)";

constexpr std::string_view kHardened = R"(
services:
  mqtt:
    image: eclipse-mosquitto:2
    ports: [1883]
    volumes:
      - /mosquitto/data
    securityContext:
      runAsUser: 1883
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      seccompProfile: RuntimeDefault
    volumeOptions:
      - emptyDir: {id: tmp, mountPath: /tmp, medium: Memory, sizeLimit: 64Mi}
balancers:
  broker:
    service: mqtt
    ports: {8883: 1883}
    whitelist: 10.0.0.0/8
)";

constexpr std::string_view kOverlay = R"(
environment:
  - LOG_LEVEL=info
resources:
  database: {type: postgres, options: {version: "16"}}
services:
  api:
    build: {path: ./api, manifest: Dockerfile.prod}
    port: 8080
    environment: [API_TOKEN]
    resources: [database]
    health: {path: /healthz, interval: 10, timeout: 3, grace: 20}
    test: make check
  consumer:
    build: ./consumer
    singleton: true
    resources: ["database:PG_DSN"]
)";

}  // namespace

Test(manifest, of_the_seed_s_app_is_read) {
  const Manifest manifest = loaded(kSeed, {{"SECRET_KEY_BASE", "x"}});
  cr_assert(manifest.warnings.empty());
  cr_assert(manifest.services.size() == 3);
  const Service& web = manifest.services[0];
  expect_text(web.name, "web");
  expect_text(web.command, "bin/web");
  cr_assert(web.port.number == 3000);
  expect_text(web.port.protocol, "http");
  expect_text(web.health.path, "/up");
  cr_assert(web.scale.min == 2 && web.scale.max == 2 && web.scale.cpu == 250 && web.scale.memory == 256);
  cr_assert(web.scale.memory_limit == 512 && web.scale.cpu_limit == 0);
  expect_text(joined(web.environment), "RAILS_ENV=production SECRET_KEY_BASE");
  cr_assert(manifest.services[1].grace == 60);
  cr_assert(manifest.services[2].scale.min == 0 && manifest.services[2].scale.max == 0);
  expect_text(manifest.timers[0].schedule, "15 2 * * *");
  cr_assert(manifest.timers[0].concurrency == Timer::Concurrency::kForbid);
  expect_text(manifest.source, kSeed);
}

Test(manifest, of_a_hardened_service_is_read) {
  const Manifest manifest = loaded(kHardened);
  cr_assert(manifest.warnings.empty());
  const Service& mqtt = manifest.services[0];
  expect_text(mqtt.image, "eclipse-mosquitto:2");
  expect_text(mqtt.build.path, "");
  cr_assert(mqtt.ports.size() == 1 && mqtt.ports[0].number == 1883 && mqtt.ports[0].protocol == "tcp");
  cr_assert(mqtt.volumes.size() == 1 && mqtt.volumes[0].kind == Volume::Kind::kService);
  expect_text(mqtt.volumes[0].source, "mosquitto/data");
  cr_assert(mqtt.security.run_as_user == 1883 && mqtt.security.read_only_root);
  cr_assert(mqtt.security.allow_privilege_escalation == false);
  expect_text(joined(mqtt.security.drop), "ALL");
  cr_assert(mqtt.empty_dirs.size() == 1 && mqtt.empty_dirs[0].size_limit == 64 << 20);
  expect_text(mqtt.empty_dirs[0].medium, "Memory");
  cr_assert(manifest.balancers[0].ports[0].listen == 8883 && manifest.balancers[0].ports[0].target == 1883);
  expect_text(joined(manifest.balancers[0].whitelist), "10.0.0.0/8");
}

Test(manifest, with_an_overlaid_resource_is_read) {
  const Manifest manifest = loaded(kOverlay, {{"API_TOKEN", "x"}});
  cr_assert(manifest.warnings.empty());
  const Service& api = manifest.services[0];
  expect_text(api.build.path, "./api");
  expect_text(api.build.manifest, "Dockerfile.prod");
  cr_assert(api.health.interval == 10 && api.health.timeout == 3 && api.health.grace == 20);
  expect_text(api.test, "make check");
  const Service& consumer = manifest.services[1];
  cr_assert(consumer.singleton && consumer.deployment_min == 0 && consumer.deployment_max == 100);
  expect_text(joined(consumer.resources), "database:PG_DSN");
  expect_text(manifest.resources[0].options[0].second, "16");
}

Test(manifest, of_a_bare_service_has_convox_s_defaults) {
  const Manifest manifest = loaded("services:\n  bar:\n");
  const Service& bar = manifest.services[0];
  expect_text(bar.build.path, ".");
  expect_text(bar.build.manifest, "Dockerfile");
  cr_assert(bar.scale.min == 1 && bar.scale.max == 1 && bar.scale.cpu == 250 && bar.scale.memory == 512);
  expect_text(bar.health.path, "/");
  cr_assert(bar.health.interval == 5 && bar.health.grace == 5 && bar.health.timeout == 4);
  cr_assert(bar.grace == 30 && bar.deployment_min == 50 && bar.deployment_max == 200);
  cr_assert(bar.init && not bar.init_given && bar.timeout == 60 && bar.tls_redirect && bar.port.number == 0);
  cr_assert(not bar.liveness.has_value());
}

Test(manifest, takes_every_spelling_of_port_ports_scale_and_lists) {
  const auto service = [](std::string_view lines) {
    return loaded(cat("services:\n  s:\n    ", lines, "\n")).services[0];
  };
  expect_text(service("port: https:3000").port.protocol, "https");
  cr_assert(service("port: {port: 3000, scheme: grpc}").port.number == 3000);
  const Service many = service("{port: 3000, ports: [3000, 5000/udp, \"5001\", {port: 5002, protocol: udp}]}");
  cr_assert(many.ports.size() == 3 && many.ports[0].protocol == "udp" && many.ports[1].number == 5001 &&
            many.ports[2].number == 5002);
  cr_assert(service("scale: 3-10").scale.max == 10);
  cr_assert(service("scale: {count: {min: 2, max: 5}}").scale.max == 5);
  cr_assert(service("scale: {min: 2}").scale.max == 2);
  cr_assert(service("scale: {cpu: 100}").scale.min == 1);
  cr_assert(service("scale: {limit: {cpu: 100}}").scale.cpu == 100);
  expect_text(joined(service("domain: a.example, b.example").domains), "a.example b.example");
  expect_text(joined(service("domain: [a.example, b.example]").domains), "a.example b.example");
  cr_assert(service("init: true").init_given);
  cr_assert(service("drain: 60").grace == 60);
  cr_assert(service("liveness: {path: /x}").liveness->failures == 3);
  cr_assert(service("startupProbe: {tcpSocketPort: 5}").startup->tcp_port == 5);
  cr_assert(service("annotations: [\"a/b=c=d\"]").annotations[0].second == "c=d");
  cr_assert(service("volumeOptions: [{awsEfs: {id: x}}]").empty_dirs.empty());
}

Test(manifest, tells_the_three_kinds_of_volumes_apart) {
  const auto volume = [](std::string_view text) {
    return loaded(cat("services:\n  s:\n    volumes: [\"", text, "\"]\n")).services[0].volumes[0];
  };
  cr_assert(volume("shared:/data").kind == Volume::Kind::kApp);
  expect_text(volume("/a/b:/data").source, "a/b");
  cr_assert(volume("/proc/x:/data").kind == Volume::Kind::kHost);
  cr_assert(volume("/etc:/data").kind == Volume::Kind::kApp);
  for (const std::string_view bad : {"data", "a:b", "/a/../b", "../x:/data", "a:/b:ro", "/", ":/x"})
    expect_text(refused(cat("services:\n  s:\n    volumes: [\"", bad, "\"]\n")),
                cat("line 3: services.s.volumes: /path or name:/path is expected, not ", bad));
}

Test(manifest, names_all_problems_in_convox_s_order) {
  expect_text(refused(R"(
balancers:
  empty:
    whitelist: 10.0.0.1
  lost:
    ports: {80: 8080}
    service: ghost
resources:
  2db:
    type: postgres
services:
  low:
    deployment: {minimum: -1, maximum: 99}
  high:
    deployment: {minimum: 101, maximum: 201}
  router:
    internal: true
    internalRouter: true
  Web:
    resources: [cache]
timers:
  every_day:
    service: sweeper
    schedule: "5 4 * * *"
)"),
              "validation errors:\n"
              "balancer empty has no ports\n"
              "balancer empty has blank service\n"
              "balancer empty whitelist 10.0.0.1 is not a valid cidr range\n"
              "balancer lost refers to unknown service ghost\n"
              "resource name 2db invalid, must contain only lowercase alphanumeric and dashes\n"
              "service low deployment minimum can not be less than 0\n"
              "service low deployment maximum can not be less than 100\n"
              "service high deployment minimum can not be greater than 100\n"
              "service high deployment maximum can not be greater than 200\n"
              "service router can not have both internal and internalRouter set as true\n"
              "service name Web invalid, must contain only lowercase alphanumeric and dashes\n"
              "service Web references a resource that does not exist: cache\n"
              "timer name every_day invalid, must contain only lowercase alphanumeric and dashes\n"
              "timer every_day references a service that does not exist: sweeper");
}

Test(manifest, checks_what_a_service_asks_for) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"volumeOptions: [{emptyDir: {mountPath: /x}}]", "emptyDir.id is required"},
      {"volumeOptions: [{emptyDir: {id: x}}]", "emptyDir.mountPath is required"},
      {"volumeOptions: [{emptyDir: {id: x, mountPath: /x, medium: Disk}}]", "emptyDir.medium's allowed values: Memory"},
      {"configMounts: [{id: x, filename: y}]", "configMounts[*].dir is required\nconfig id: 'x' not found"},
      {"securityContext: {runAsNonRoot: true, runAsUser: 0}",
       "service s: securityContext: runAsNonRoot=true is incompatible with runAsUser=0"},
      {"securityContext: {seccompProfile: X}",
       "service s: securityContext.seccompProfile: \"X\" is not a supported value; allowed: RuntimeDefault, "
       "Unconfined"},
      {"securityContext: {capabilities: {add: [CAP_X]}}",
       "service s: securityContext.capabilities.add: \"CAP_X\" must not include CAP_ prefix (use \"X\")"},
      {"scale: 5-2", "service s: scale.max must be >= scale.min"},
      {"scale: -1", "service s: scale.min must be >= 0\nservice s: scale.max must be >= 0"},
  };
  for (const auto& [lines, problem] : cases)
    expect_text(refused(cat("services:\n  s:\n    ", lines, "\n")), cat("validation errors:\n", problem));
  expect_text(refused("configs: [{name: x}]\n"), "validation errors:\nconfigs[*].id is required");
  expect_text(refused("resources: {a: {type: ' '}}\n"), "validation errors:\nresource \"a\" has blank type");
}

Test(manifest, that_cannot_be_loaded_is_one_error) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"environment: {A: b}", "unknown type for service environment: map[interface {}]interface {}"},
      {"labels: {app: x}", "reserved label key 'app' is not allowed"},
      {"services: {s: {scale: {cpu: 9, limit: {cpu: 5}}}}", "cpu limit can not be less cpu request"},
      {"services: {s: {scale: {memory: 9, limit: {memory: 5}}}}", "memory limit can not be less memory request"},
      {"services: {s: {scale: 1-2-3}}", "line 1: invalid scale: 1-2-3"},
      {"services: {s: {port: abc}}", "line 1: could not parse port: abc"},
      {"services: {s: {port: [1]}}", "line 1: invalid port: []interface {}"},
      {"services: {s: {port: 70000}}", "line 1: invalid port: 70000"},
      {"services: {s: {agent: {ports: [1]}}}", "agent ports are now specified at the service level"},
      {"services: [a]", "line 1: services: a mapping is expected, not a list"},
      {"services: {s: {image: [a]}}", "line 1: services.s.image: a text is expected, not a list"},
      {"services: {s: {privileged: maybe}}", "line 1: services.s.privileged: true or false is expected, not maybe"},
      {"services: {s: {scale: {cpu: 1.5}}}", "line 1: services.s.scale.cpu: a whole number is expected, not 1.5"},
      {"services: {s: {scale: {memory: 99999999999999999999}}}",
       "line 1: services.s.scale.memory: a whole number is expected, not 99999999999999999999"},
      {"- a", "line 1: a mapping is expected, not a list"},
      {"services: {s: {image: ${FOO:-x}}}", "line 1: ${FOO:-x}: only the name of a variable can stand here"},
  };
  for (const auto& [text, problem] : cases) expect_text(refused(text), problem);
}

Test(manifest, takes_variables_from_the_release_and_leaves_it_alone) {
  const std::string_view text =
      "environment: [A=1, B]\nservices:\n  s:\n    environment: [C=3, D]\n    command: run ${A}${UNSET}\n";
  expect_text(refused(text, {{"A", "x"}}), "required env: B, D");
  const Environment release = {{"A", "x"}, {"B", "y"}, {"D", "z=1"}, {"OTHER", "o"}};
  const Manifest manifest = loaded(text, release);
  expect_text(manifest.services[0].command, "run x");
  const auto environment = service_environment(manifest.services[0], release);
  cr_assert(environment.has_value() && *environment == (Environment{{"A", "x"}, {"B", "y"}, {"C", "3"}, {"D", "z=1"}}));
  const auto all = service_environment(loaded("services: {s: {environment: ['*']}}").services[0], release);
  cr_assert(all.has_value() && *all == release);
  expect_text(refused("services: {s: {command: '${A}'}}", {{"A", "x'}}\nevil: 1"}}),
              "${A}: a value with a line break cannot be put into convox.yml");
}

Test(manifest, warns_of_keys_that_it_does_not_know_or_cannot_use) {
  expect_text(warned("servicess:\n  a:\n"), "1: unknown key \"servicess\", did you mean \"services\"?\n");
  cr_assert(loaded("servicess:\n  a:\n").services.empty());
  expect_text(
      warned("services:\n  a:\n    comand: x\n    scale:\n      zzz: 1\n"),
      "3: unknown key \"services.a.comand\", did you mean \"command\"?\n5: unknown key \"services.a.scale.zzz\"\n");
  expect_text(warned("services:\n  a: {certificate: {}}\n  b: {certificate: {}}\n"),
              "2: \"certificate\" has no effect on a single host\n");
}

Test(manifest, cut_off_or_damaged_anywhere_is_an_error_or_another_manifest) {
  for (const std::string_view whole : {kSeed, kHardened, kOverlay}) {
    const Environment release = {{"SECRET_KEY_BASE", "x"}, {"API_TOKEN", "x"}};
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const auto cut = parse_manifest(whole.substr(0, size), release);
      cr_expect(cut || not cut.error().text.empty(), "%zu", size);
      for (const char damage : {'\0', '[', '{', '*', '&', '"', ':', '\xff'}) {
        std::string changed(whole);
        changed[size] = damage;
        const auto damaged = parse_manifest(changed, release);
        cr_expect(damaged || not damaged.error().text.empty(), "%zu %c", size, damage);
      }
    }
  }
}
