#include "cli/manual/examples.h"

namespace convox::manual {
namespace {

struct Row {
  std::string_view command;
  Example example;
};

// By command; several rows of one stand together.
constexpr Row kRows[] = {
    {"apps", {"convox apps", "All apps, with the release that is active."}},
    {"apps create", {"convox apps create shop", "Make an app without a manifest at hand."}},
    {"apps delete", {"convox apps delete shop", "Remove an app, its builds and its releases."}},
    {"apps info", {"convox apps info shop", "One app."}},
    {"build", {"convox build", "Make a build and a release of the manifest here, and do not promote it."}},
    {"builds", {"convox builds --limit 3", "The newest three."}},
    {"builds import-image",
     {"convox builds import-image docker-archive:web.tar --service web", "Take an image that `docker save` wrote."}},
    {"builds info", {"convox builds info BABCDEFGHIJ", "One build."}},
    {"builds logs", {"convox builds logs BABCDEFGHIJ", "What was said while it was made."}},
    {"cp", {"convox cp web:/var/log/app.log .", "Copy a file out of the oldest process of the service web."}},
    {"cp", {"convox cp ./config/. 551967b75abd:/etc/app", "Copy what is in a directory into one inside."}},
    {"deploy", {"convox deploy", "Make a release of the manifest here and promote it."}},
    {"diff", {"convox diff 551967b75abd", "What this process wrote beside its volumes."}},
    {"doctor", {"convox doctor", "What this host offers, and what it lacks."}},
    {"env", {"convox env --app shop", "The variables of the newest release."}},
    {"env get", {"convox env get SECRET_KEY_BASE", "One variable."}},
    {"env set", {"convox env set LOG_LEVEL=debug --promote", "Set a variable and make the new release active."}},
    {"env unset", {"convox env unset LOG_LEVEL", "Remove a variable, in a new release."}},
    {"exec", {"convox exec 551967b75abd bash", "A shell in a running process."}},
    {"exec", {"convox exec web -- ps ax", "Everything behind -- is the command."}},
    {"gc", {"convox gc", "Remove what crashed commands left, and images that nobody needs."}},
    {"help", {"convox help run", "The same as convox run --help."}},
    {"inspect", {"convox inspect web", "All that is known about the oldest process of the service web."}},
    {"inspect", {"convox inspect 551967b75abd | jq '.[0].mounts[].target'", "Where something is mounted inside."}},
    {"logs", {"convox logs", "Follow the app's output, beginning two minutes ago."}},
    {"logs", {"convox logs --no-follow --since 1h --filter timeout", "What matched in the last hour."}},
    {"logs", {"convox logs -p 551967b75abd", "All that one process said, also after it ended."}},
    {"networks", {"convox networks", "The network of each app, and how many processes are in it."}},
    {"networks gc", {"convox networks gc", "Remove those that no process is in."}},
    {"networks inspect", {"convox networks inspect shop", "Addresses, processes and published ports, as JSON."}},
    {"networks rm", {"convox networks rm shop", "Remove one that no process is in."}},
    {"pause", {"convox pause 551967b75abd", "Stop it where it stands."}},
    {"proxy", {"convox proxy web:3000", "What listens on port 3000 of web, on this host's own 3000."}},
    {"proxy", {"convox proxy 5433:551967b75abd:5432", "On another port of this host."}},
    {"ps", {"convox ps", "The running processes of the app."}},
    {"ps", {"convox ps --all --json", "Finished ones too, for a script."}},
    {"ps", {"convox ps --watch 2", "Again every two seconds."}},
    {"ps info", {"convox ps info 551967b75abd", "One process."}},
    {"ps rm", {"convox ps rm 551967b75abd", "Forget a finished process, and remove its files."}},
    {"ps stop", {"convox ps stop 551967b75abd", "Ask it to end, and kill it if it does not."}},
    {"ps wait", {"convox ps wait 551967b75abd", "Wait for its end; the status is its own."}},
    {"rack ps", {"convox rack ps --all", "The processes of all apps, finished ones too."}},
    {"releases", {"convox releases", "The newest releases; one of them is active."}},
    {"releases info", {"convox releases info RABCDEFGHIJ", "One release."}},
    {"releases manifest", {"convox releases manifest RABCDEFGHIJ", "The convox.yml that it was made from."}},
    {"releases promote", {"convox releases promote", "Make the newest release the active one."}},
    {"releases rollback", {"convox releases rollback RABCDEFGHIJ", "A new release, the same as an old one."}},
    {"resume", {"convox resume 551967b75abd", "Let it go on."}},
    {"run", {"convox run web bash", "A shell in a new container of the service web."}},
    {"run", {"convox run web -- ls -la /app", "Everything behind -- is the command."}},
    {"run", {"convox run web 'bin/dump | gzip' > dump.gz", "One argument with shell characters goes to sh -c."}},
    {"run",
     {"convox run --detach --publish 8080:3000 web bin/server",
      "Port 8080 of the host leads there; each further one shares it."}},
    {"run", {"convox run --explain web bin/migrate", "Every step that would be done, and why."}},
    {"services", {"convox services", "The services of the active release."}},
    {"stats", {"convox stats", "What the processes use, as it changes."}},
    {"top", {"convox top", "What the processes use, as it changes."}},
    {"update", {"convox update 551967b75abd --memory 512", "Another limit, while it runs."}},
    {"version", {"convox version", "The version of client and server, which are one program here."}},
};

constexpr std::size_t kMost = std::size(kRows);

// The examples alone, so that those of one command are one span.
struct Only {
  Example all[kMost];
  constexpr Only() : all{} {
    for (std::size_t i = 0; i < kMost; ++i) all[i] = kRows[i].example;
  }
};
constexpr Only kOnly;

}  // namespace

std::span<const Example> examples(std::string_view command) {
  std::size_t first = 0;
  while (first < kMost && kRows[first].command != command) ++first;
  std::size_t end = first;
  while (end < kMost && kRows[end].command == command) ++end;
  return {kOnly.all + first, end - first};
}

}  // namespace convox::manual
