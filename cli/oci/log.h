// What does the caller learn of a failure?
//
// Podman takes the whole file of --log for one JSON object, containerd for a stream of them, and both give the user
// what it says; so it gets the one error of this process, and other lines only under --debug. The same text is one line
// on standard error, since not everybody has a log. Success says nothing in either place.
#pragma once
#include <string>
#include <string_view>

#include "cli/oci/verb.h"
#include "runtime/base/result.h"

namespace convox::oci {

// Opens --log, before anything else is done. Once in a process.
Result<> open_log(const Globals& globals);

// To the log and to standard error.
void log_error(const Error& error);
// To the log. In JSON only under --debug: who reads that wants one object.
void log_warning(std::string_view text);
void log_debug(std::string_view text);

// The words of an error as engines look for them: the kernel's own in lower case, as Go writes them.
std::string words_of(const Error& error);
// One line of a log: {"level":..,"msg":..,"time":..} or time="..." level=.. msg="...", with its newline.
std::string log_line(bool json, std::string_view level, std::string_view text, std::string_view time);

}  // namespace convox::oci
