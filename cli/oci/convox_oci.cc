// The program `convox-oci`: makes the process that it finds itself in fit for use, takes the words apart, and lets a
// verb do what they say.
//
// Descriptors 0, 1 and 2 are the container's, and go to it unchanged. Read next: verb.h, options.h.
#include <sys/auxv.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/fit.h"
#include "cli/oci/log.h"
#include "cli/oci/options.h"
#include "cli/output.h"

extern char** environ;

namespace convox::oci {

namespace {

constexpr int kFailed = 1;

Result<> become_fit() {
  TRY(cli::fill_standard_descriptors());
  TRY(cli::reset_signals());
  sys::umask(022);
  if (::getauxval(AT_SECURE)) return invalid("convox-oci must not be set-user-id, nor have file capabilities");
  return ok();
}

int fail(const Error& error, int status = kFailed) {
  log_error(error);
  return status;
}

// The usage follows, for people; engines have the line.
int misused(const Error& error, const std::string& usage, int status = kFailed) {
  log_error(error);
  cli::print_error(usage);
  return status;
}

int show(const std::string& text) {
  const Result<> shown = cli::print(text);
  return shown ? 0 : fail(shown.error());
}

int perform(const Verb& verb, Globals globals, const Words& global_words, std::span<const std::string> rest) {
  const auto words = take_words(verb, rest);
  if (!words) return misused(words.error(), usage(verb), verb.failure);
  if (words->has("help")) return show(usage(verb));
  if (verb.needs_root)
    if (const Result<> settled = settle_root(global_words, globals); !settled)
      return fail(settled.error(), verb.failure);
  const auto status = verb.perform(globals, *words);
  return status ? *status : fail(status.error(), verb.failure);
}

int run(const std::vector<std::string>& all) {
  Words global_words;
  const auto taken = take_flags(kGlobalFlags, all, global_words);
  const auto rest = std::span(all).subspan(taken ? *taken : all.size());
  const Verb* verb = rest.empty() ? nullptr : find_verb(rest[0]);
  // An exec that fails in our hands must not look like a command that does, from here on.
  const int failure = verb ? verb->failure : kFailed;
  if (const Result<> fit = become_fit(); !fit) return fail(fit.error(), failure);
  auto globals = globals_of(global_words);
  // What the log is for is the next error, be it in the flags before it.
  if (globals)
    if (const Result<> opened = open_log(*globals); !opened) return fail(opened.error(), failure);
  if (!taken) return misused(taken.error(), usage());
  if (!globals) return misused(globals.error(), usage(), failure);
  if (global_words.has("help")) return show(usage());
  if (global_words.has("version")) return show(version_text());
  if (rest.empty()) return misused(invalid("a verb is missing"), usage());
  if (rest[0] == "help") return show(usage());
  if (!verb) return misused(invalid(cat("unknown verb: ", rest[0])), usage());
  return perform(*verb, *std::move(globals), global_words, rest.subspan(1));
}

}  // namespace
}  // namespace convox::oci

int main(int argc, char** argv) {
#ifdef CONVOX_FAULTS
  convox::faults::start(environ, convox::faults::kHost);
#endif
  // argc can be 0: execve(2) with an empty argv (CVE-2021-4034).
  return convox::oci::run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
