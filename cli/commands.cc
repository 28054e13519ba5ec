#include "cli/commands.h"

#include <algorithm>
#include <array>

#include "cli/cmd_apps.h"
#include "cli/cmd_builds.h"
#include "cli/cmd_cp.h"
#include "cli/cmd_deploy.h"
#include "cli/cmd_diff.h"
#include "cli/cmd_doctor.h"
#include "cli/cmd_env.h"
#include "cli/cmd_exec.h"
#include "cli/cmd_help.h"
#include "cli/cmd_inspect.h"
#include "cli/cmd_logs.h"
#include "cli/cmd_networks.h"
#include "cli/cmd_pause.h"
#include "cli/cmd_proxy.h"
#include "cli/cmd_ps.h"
#include "cli/cmd_ps_end.h"
#include "cli/cmd_ps_stop.h"
#include "cli/cmd_releases.h"
#include "cli/cmd_run.h"
#include "cli/cmd_run_detached.h"
#include "cli/cmd_services.h"
#include "cli/cmd_stats.h"
#include "cli/cmd_update.h"

namespace convox::cli {
namespace {

// One line a command, by name.
constexpr const Command* kCommands[] = {
    &kApps,
    &kAppsCreate,
    &kAppsDelete,
    &kAppsInfo,
    &kBuild,
    &kBuilds,
    &kBuildsImportImage,
    &kBuildsInfo,
    &kBuildsLogs,
    &kCp,
    &kDeploy,
    &kDiff,
    &kDoctor,
    &kEnv,
    &kEnvGet,
    &kEnvSet,
    &kEnvUnset,
    &kExec,
    &kGc,
    &kHelp,
    &kInspect,
    &kLogs,
    &kNetworks,
    &kNetworksGc,
    &kNetworksInspect,
    &kNetworksRemove,
    &kPause,
    &kProxy,
    &kPs,
    &kPsInfo,
    &kPsRemove,
    &kPsStop,
    &kPsWait,
    &kRackPs,
    &kReleases,
    &kReleasesInfo,
    &kReleasesManifest,
    &kReleasesPromote,
    &kReleasesRollback,
    &kResume,
    &kRun,
    &kServices,
    &kStats,
    &kTop,
    &kUpdate,
    &kVersion,
};

constexpr std::string_view kCloudCommands[] = {
    "auth",           "budget",          "certs",          "cloud",       "console",
    "cost",           "deploy-debug",    "instances",      "letsencrypt", "login",
    "logout",         "machines",        "racks",          "runtimes",    "ssl",
    "switch",         "telemetry",       "workflows",      "rack access", "rack install",
    "rack karpenter", "rack kubeconfig", "rack mv",        "rack params", "rack runtimes",
    "rack scale",     "rack sync",       "rack uninstall", "rack update",
};

bool starts_with(std::span<const std::string> words, std::string_view name) {
  for (const std::string& word : words) {
    if (!name.starts_with(word)) return false;
    name.remove_prefix(word.size());
    if (name.empty()) return true;
    if (name[0] != ' ') return false;
    name.remove_prefix(1);
  }
  return false;
}

}  // namespace

std::span<const Command* const> commands() { return kCommands; }

Found find_command(std::span<const std::string> words) {
  if (!words.empty() && words[0] == kAgain.name) return {&kAgain, 1};  // in no list
  Found best;
  for (const Command* command : kCommands) {
    if (!starts_with(words, command->name)) continue;
    const auto length = static_cast<std::size_t>(std::ranges::count(command->name, ' ')) + 1;
    if (length > best.words) best = {command, length};
  }
  return best;
}

std::string cloud_command(std::span<const std::string> words) {
  for (const std::string_view name : kCloudCommands)
    if (starts_with(words, name)) return std::string(name);
  return {};
}

}  // namespace convox::cli
