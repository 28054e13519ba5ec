#include "cli/manual/oci_page.h"

#include "cli/manual/roff.h"
#include "cli/oci/options.h"
#include "runtime/base/cat.h"

namespace convox::manual {
namespace {

std::string flag_items(std::span<const oci::Flag> flags) {
  std::string text;
  for (const oci::Flag& flag : flags) {
    if (flag.help.empty()) continue;
    const std::string value = flag.value.empty() ? "" : cat(" ", italic(flag.value));
    std::string tag = cat(bold(cat("--", flag.name)), value);
    if (flag.letter) tag += cat(", ", bold(cat("-", std::string(1, flag.letter))), value);
    text += item(tag, cat(flag.help, flag.repeatable ? "; can be given several times." : "."));
  }
  return text;
}

std::string verb_items() {
  std::string text = section("VERBS");
  for (const oci::Verb* verb : oci::kVerbs)
    text += cat(".SS ", roff(verb->name), "\n.B convox\\-oci ", roff(verb->name), "\n", italic(verb->usage), "\n.PP\n",
                roff(verb->help), ".\n", flag_items(verb->flags));
  return text;
}

constexpr std::string_view kEnvironment[][2] = {
    {"CONVOX_TRACE", "A file to which create, run, exec and start append how long each of their steps took."},
    {"LISTEN_FDS", "How many descriptors from 3 on the container's process gets, as systemd passes sockets."},
    {"NOTIFY_SOCKET", "systemd's socket; what the container says on one of its own is passed on to it."},
    {"XDG_RUNTIME_DIR", "Where the state lies if the caller is not root."},
};
constexpr std::string_view kExamples[][2] = {
    {"convox-oci spec", "Writes a config.json for the root file system in ./rootfs."},
    {"convox-oci run one", "Runs the bundle in this directory as container `one`, to its end."},
    {"convox-oci delete --force one", "Ends and removes it, whatever state it is in; that there is none is no error."},
    {"podman --runtime /usr/local/bin/convox-oci run --rm alpine true", "Podman with this runtime."},
};

}  // namespace

std::string oci_page() {
  std::string text =
      cat(head("convox-oci", 8, "run containers for Podman, containerd, CRI-O and Kubernetes"), section("SYNOPSIS"),
          bold("convox-oci"), " [", italic("global flags"), "] ", italic("verb"), " [", italic("flags"), "] [",
          italic("arguments"), "]\n", section("DESCRIPTION"),
          roff("An OCI runtime: engines call it with a bundle, a directory with a config.json and a root\n"
               "file system, and it makes the container. It takes the command line of runc and crun.\n"
               "Flags stand before arguments; `--flag value`, `--flag=value` and `-flag value` are the "
               "same.\n"),
          section("GLOBAL FLAGS"), flag_items(oci::kGlobalFlags), verb_items());
  text += cat(section("EXIT STATUS"), roff("0; 1 after a failure, which is one line on standard error and, with\n"
                                           "`--log`, one in that file. `run` and `exec` have the status of their\n"
                                           "command, 128+N if signal N ended it; an `exec` that failed itself 255.\n"));
  text += section("ENVIRONMENT");
  for (const auto& [name, meaning] : kEnvironment) text += item(bold(name), meaning);
  text +=
      cat(section("FILES"), item(italic("/run/convox-oci"), "The state of containers, where `--root` is not given."));
  text += section("EXAMPLES");
  for (const auto& [line, meaning] : kExamples) text += item(bold(line), meaning);
  return cat(text, section("SEE ALSO"), ".BR convox (1),\n.BR podman (1)\n");
}

}  // namespace convox::manual
