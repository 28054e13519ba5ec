// How are the words of a command line taken apart?
//
//   convox-oci [global flags] VERB [flags] [arguments]
//
// Flags as both runtimes that engines know take them: `--flag value`, `--flag=value`, the same with one dash (go-runc
// writes `-no-subreaper`), one letter each or several together. They end at the first word that is none, or at `--`.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "cli/oci/verb.h"

namespace convox::oci {

extern const std::span<const Flag> kGlobalFlags;
extern const std::span<const Verb* const> kVerbs;

// Takes the flags off the front of `words` and says how many words they were. `into` has those that came before an
// error, too: the log wants to know where it is.
Result<std::size_t> take_flags(std::span<const Flag> flags, std::span<const std::string> words, Words& into);

// All that a verb gets. Errors are those of `convox-oci VERB`.
Result<Words> take_words(const Verb& verb, std::span<const std::string> words);

const Verb* find_verb(std::string_view name);

// What global flags mean, but for the root.
Result<Globals> globals_of(const Words& words);
// Where the containers are: --root, or what the caller's identity makes of it.
Result<> settle_root(const Words& words, Globals& globals);

// Of the program, and of a verb.
std::string usage();
std::string usage(const Verb& verb);
// What --version prints.
std::string version_text();

}  // namespace convox::oci
