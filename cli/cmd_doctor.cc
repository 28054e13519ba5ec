#include "cli/cmd_doctor.h"

#include <algorithm>

#include "cli/output.h"
#include "cli/text.h"
#include "runtime/base/json.h"
#include "runtime/base/words.h"
#include "runtime/doctor.h"

namespace convox::cli {
namespace {

using runtime::Finding;

constexpr std::size_t kWidth = 80;
constexpr std::size_t kNameWidth = 16, kVerdictWidth = 7;

std::string padded(std::string_view text, std::size_t width) {
  return cat(text, std::string(width - std::min(width, text.size()), ' '));
}

// "capabilities      warning  without SYS_RESOURCE"
std::string line(const Finding& finding) {
  return cat(padded(finding.name, kNameWidth), "  ", padded(runtime::name(finding.verdict), kVerdictWidth), "  ",
             escaped(finding.text), "\n");
}

// `text` in lines that fit the width, each behind `indent`.
std::string wrapped(std::string_view text, std::string_view indent) {
  std::string lines, current;
  while (!text.empty()) {
    const std::string_view word = cut(text, ' ');
    if (!current.empty() && indent.size() + current.size() + 1 + word.size() > kWidth) {
      lines += cat(indent, current, "\n");
      current.clear();
    }
    current += cat(current.empty() ? "" : " ", word);
  }
  return cat(lines, indent, current, "\n");
}

// Each remedy once, below the names of all that it mends.
std::string remedies(const std::vector<Finding>& findings) {
  std::string text;
  for (auto first = findings.begin(); first != findings.end(); ++first) {
    auto same = [first](const Finding& other) { return other.mend == first->mend; };
    if (first->mend.empty() || std::any_of(findings.begin(), first, same)) continue;
    std::string names;
    for (auto one = first; one != findings.end(); ++one)
      if (same(*one)) names += cat(names.empty() ? "" : ", ", one->name);
    text += cat("\n", wrapped(cat(names, ":"), "  "), wrapped(escaped(first->mend), "    "));
  }
  return text.empty() ? text : cat("\nTo mend:\n", text);
}

std::string report(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) text += line(finding);
  text += remedies(findings);
  text +=
      runtime::healthy(findings) ? "\nconvox run works on this host.\n" : "\nconvox run cannot work on this host.\n";
  return text;
}

std::string report_as_json(const std::vector<Finding>& findings) {
  json::Buffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("run");
  writer.Bool(runtime::healthy(findings));
  writer.Key("findings");
  writer.StartArray();
  for (const Finding& finding : findings) {
    writer.StartObject();
    const std::pair<const char*, std::string_view> members[] = {{"name", finding.name},
                                                                {"verdict", runtime::name(finding.verdict)},
                                                                {"text", finding.text},
                                                                {"mend", finding.mend}};
    for (const auto& [key, value] : members) {
      writer.Key(key);
      json::write(writer, value);
    }
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return cat(std::string_view(buffer.GetString(), buffer.GetSize()), "\n");
}

Result<int> doctor(const Invocation& invocation) {
  const runtime::Host host = TRY(runtime::read_host());
  const std::vector<Finding> findings = runtime::diagnose(host, runtime::examine(invocation.globals.root));
  TRY(print(invocation.flag("json") ? report_as_json(findings) : report(findings)));
  return runtime::healthy(findings) ? 0 : 1;
}

constexpr Option kOptions[] = {
    {.name = "json", .help = "Print one JSON object."},
};

}  // namespace

const Command kDoctor = {.name = "doctor",
                         .arguments = "",
                         .summary = "say what this host offers and lacks",
                         .description =
                             "Tries on this host what a container needs, and says of each thing whether it "
                             "works, what its lack means and how to mend it. Nothing is changed. The exit "
                             "status is 1 only if `convox run` cannot work.",
                         .options = kOptions,
                         .run = doctor};

}  // namespace convox::cli
