// How is a process shown: in a row, in a template, as JSON?
//
// One table of columns serves `ps`, `rack ps`, `stats` and --format. Cells are not escaped here; table.h does that.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/table.h"
#include "runtime/container_list.h"
#include "runtime/usage.h"

namespace convox::cli {

struct Process {
  runtime::Record record;
  bool live = false;
  runtime::Usage usage;
  std::int64_t now = 0;  // when it was looked at, nanoseconds
};

// Convox's words: starting, running, crashed (it waits to be started again), complete, failed, unknown; and paused.
std::string_view status_of(const Process& process);
// "3", "signal 9", "unknown (host rebooted)"; how it ended.
std::string exit_of(const runtime::Record& record);
// "21.04%"
std::string percent(double value);

struct Column {
  std::string_view header;
  std::string_view field;  // in a template: {{.Name}}
  std::string (*cell)(const Process&);
};
std::span<const Column> columns();
// By header, which must be one.
const Column& column(std::string_view header);

Table table_of(std::span<const std::string_view> headers, std::span<const Process> processes);

// `{{.ID}} {{.Name}}`: text with fields in it, as Docker's users write it, without its functions. \t and \n are what
// they are in C.
class Template {
 public:
  static Result<Template> parse(std::string_view text);
  [[nodiscard]] std::string line(const Process& process) const;  // escaped, with a newline
  [[nodiscard]] bool uses(std::string_view header) const;

 private:
  struct Part {
    std::string text;  // in front of the field
    const Column* field = nullptr;
  };
  std::vector<Part> parts_;
};

// A list of objects, with numbers where tables have text.
std::string json_of(std::span<const Process> processes);

}  // namespace convox::cli
