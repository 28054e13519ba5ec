#include "cli/oci/log.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/text.h"
#include "cli/times.h"
#include "runtime/base/fs.h"
#include "runtime/base/json.h"

namespace convox::oci {
namespace {

// The one log of this process.
struct Log {
  UniqueFd file;
  bool json = false, debug = false;
};
Log& the_log() {
  static Log log;
  return log;
}

void write_line(std::string_view level, std::string_view text) {
  const Log& log = the_log();
  if (log.file) (void)fs::write_all(log.file.get(), log_line(log.json, level, text, cli::rfc3339(cli::now())), "--log");
}

// As logrus writes it: in quotes, what is in them escaped.
std::string quoted(std::string_view text) {
  std::string made;
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    made += c;
  }
  return cat("\"", cli::escaped(made), "\"");
}

}  // namespace

Result<> open_log(const Globals& globals) {
  Log& log = the_log();
  log.json = globals.json_log;
  log.debug = globals.debug;
  if (globals.log.empty()) return ok();
  log.file = TRY(fs::open(globals.log, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY, 0644), "opening the log");
  return ok();
}

void log_error(const Error& error) {
  const std::string text = words_of(error);
  write_line("error", text);
  cli::print_error(cat(cli::escaped(text), "\n"));
}

void log_warning(std::string_view text) {
  if (!the_log().json || the_log().debug) write_line("warning", text);
}

void log_debug(std::string_view text) {
  if (the_log().debug) write_line("debug", text);
}

std::string words_of(const Error& error) {
  std::string text = error.text;
  if (error.code > 0) {
    const std::string kernels = describe(Errno(-error.code));
    const std::size_t at = text.rfind(kernels);
    if (at != std::string::npos && text[at] >= 'A' && text[at] <= 'Z')
      text[at] = static_cast<char>(text[at] - 'A' + 'a');
  }
  for (const std::string& line : error.more) text += cat("; ", line);
  if (!error.advice.empty()) text += cat("; ", error.advice);
  return text;
}

std::string log_line(bool json, std::string_view level, std::string_view text, std::string_view time) {
  if (!json) return cat("time=", quoted(time), " level=", level, " msg=", quoted(text), "\n");
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("level");
  json::write(writer, level);
  writer.Key("msg");
  json::write(writer, cli::escaped(text));
  writer.Key("time");
  json::write(writer, time);
  writer.EndObject();
  return cat(std::string_view(buffer.GetString(), buffer.GetSize()), "\n");
}

}  // namespace convox::oci
