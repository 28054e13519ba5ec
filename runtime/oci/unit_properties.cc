#include "runtime/oci/unit_properties.h"

#include <algorithm>

#include "cgroups/counters.h"
#include "runtime/base/words.h"

namespace convox::oci {
namespace {

using cgroups::DeviceRule;
using cgroups::FileValue;

constexpr std::size_t kLongestUnit = 255;  // UNIT_NAME_MAX

// Files whose value is a number or "max", and the property of the same meaning.
struct Plain {
  std::string_view file, property;
};
constexpr Plain kPlain[] = {
    {"memory.max", "MemoryMax"}, {"memory.high", "MemoryHigh"},        {"memory.low", "MemoryLow"},
    {"memory.min", "MemoryMin"}, {"memory.swap.max", "MemorySwapMax"}, {"cpu.weight", "CPUWeight"},
    {"pids.max", "TasksMax"}};

constexpr std::string_view kInfinity = "18446744073709551615";

std::string number_or_infinity(std::string_view value) {
  return value == "max" ? std::string(kInfinity) : std::string(value);
}

// systemd counts processor time in hundredths of a percent of a second: so a quota becomes what it is of one second,
// rounded up to that.
void put_quota(std::string_view value, std::vector<std::string>& list) {
  constexpr std::uint64_t kSecond = 1'000'000, kStep = 10'000;
  const std::string_view quota = cut(value, ' ');
  const auto period = number(value);
  if (period && *period != 0) list.push_back(cat("CPUQuotaPeriodUSec=uint64 ", *period));
  if (quota == "max") list.push_back(cat("CPUQuotaPerSecUSec=uint64 ", kInfinity));
  const auto most = number(quota);
  if (!most || *most > ~std::uint64_t{0} / kSecond) return;
  const std::uint64_t each = *most * kSecond / (period && *period != 0 ? *period : 100'000);
  list.push_back(cat("CPUQuotaPerSecUSec=uint64 ", (each + kStep - 1) / kStep * kStep));
}

// The processors or memory nodes of a list as bits, the lowest in the first byte.
void put_bits(std::string_view property, std::string_view list_of, std::vector<std::string>& list) {
  std::vector<unsigned> bytes;
  for (const std::uint32_t one : cgroups::parse_list(list_of)) {
    if (one / 8 >= bytes.size()) bytes.resize(one / 8 + 1);
    bytes[one / 8] |= 1U << one % 8;
  }
  if (bytes.empty()) return;
  std::string text;
  for (const unsigned byte : bytes) text += cat(text.empty() ? "" : ", ", byte);
  list.push_back(cat(property, "=@ay [", text, "]"));
}

void put(const FileValue& file, std::vector<std::string>& list) {
  const auto plain =
      std::find_if(std::begin(kPlain), std::end(kPlain), [&](const Plain& one) { return one.file == file.file; });
  if (plain != std::end(kPlain)) {
    std::string value = number_or_infinity(file.value);
    if (file.file == "pids.max" && value == "0") value = "1";  // systemd takes no 0; the file has it
    if (number(value)) list.push_back(cat(plain->property, "=uint64 ", value));
  }
  if (file.file == "cpu.max") put_quota(file.value, list);
  if (file.file == "cpuset.cpus") put_bits("AllowedCPUs", file.value, list);
  if (file.file == "cpuset.mems") put_bits("AllowedMemoryNodes", file.value, list);
  std::string_view weight = file.value;
  if (file.file == "io.weight" && cut(weight, ' ') == "default" && number(weight))
    list.push_back(cat("IOWeight=uint64 ", weight));
}

// --- devices
// ---------------------------------------------------------------------------------------------------------- In
// /proc/devices a list of character devices comes first, then one of block devices: `136 pts`.
std::string_view name_of_major(std::string_view proc_devices, char type, std::int64_t major) {
  char section = 0;
  while (!proc_devices.empty()) {
    std::string_view line = cut(proc_devices, '\n');
    if (line.starts_with("Character")) section = 'c';
    if (line.starts_with("Block")) section = 'b';
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto found = number(cut(line, ' '));
    if (section == type && found && static_cast<std::int64_t>(*found) == major) return line;
  }
  return {};
}

// systemd cannot name one minor of all majors, nor a major without a name: then all are allowed, and our program tells
// them apart.
std::string device_name(char type, const DeviceRule& rule, std::string_view proc_devices) {
  const std::string_view word = type == 'b' ? "block" : "char";
  if (rule.major < 0) return cat(word, "-*");
  if (rule.minor >= 0) return cat("/dev/", word, "/", rule.major, ":", rule.minor);
  const std::string_view name = name_of_major(proc_devices, type, rule.major);
  return cat(word, "-", name.empty() || name.find_first_of("'\\") != std::string_view::npos ? "*" : name);
}

}  // namespace

Result<ScopeName> parse_scope(std::string_view cgroups_path) {
  const auto wrong = [&](std::string_view why) {
    return invalid(cat("linux.cgroupsPath \"", cgroups_path, "\": ", why));
  };
  std::string_view rest = cgroups_path;
  if (std::count(rest.begin(), rest.end(), ':') != 2) return wrong("is not SLICE:PREFIX:NAME");
  ScopeName name{std::string(cut(rest, ':')), {}};
  const std::string_view prefix = cut(rest, ':');
  if (rest.empty()) return wrong("has no name");
  if (rest.ends_with(".slice")) return wrong("a slice has no processes");
  if (!name.slice.ends_with(".slice")) return wrong("does not name a slice");
  name.unit = cat(prefix, prefix.empty() ? "" : "-", rest, ".scope");
  for (const std::string* one : {&name.slice, &name.unit})
    if (one->size() > kLongestUnit || !std::all_of(one->begin(), one->end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 std::string_view(":-_.\\@").find(c) != std::string_view::npos;
        }))
      return wrong("is no name of a unit");
  return name;
}

std::vector<std::string> limit_properties(const std::vector<FileValue>& files) {
  std::vector<std::string> list;
  for (const FileValue& one : files) put(one, list);
  return list;
}

std::vector<std::string> device_properties(const std::vector<DeviceRule>& rules, std::string_view proc_devices) {
  std::string allowed;
  for (const DeviceRule& rule : rules) {
    if (!rule.allow || !(rule.read || rule.write || rule.make)) continue;
    if (rule.type == 'a' && rule.major < 0 && rule.minor < 0 && rule.read && rule.write && rule.make)
      return {"DevicePolicy='auto'", "DeviceAllow=@a(ss) []"};
    const std::string access = cat(rule.read ? "r" : "", rule.write ? "w" : "", rule.make ? "m" : "");
    for (const char type : {'c', 'b'})
      if (rule.type == type || rule.type == 'a')
        allowed += cat(allowed.empty() ? "" : ", ", "('", device_name(type, rule, proc_devices), "', '", access, "')");
  }
  return {"DevicePolicy='strict'", cat("DeviceAllow=@a(ss) [", allowed, "]")};
}

std::vector<std::string> annotated_properties(const std::vector<std::pair<std::string, std::string>>& annotations) {
  constexpr std::string_view kPrefix = "org.systemd.property.";
  std::vector<std::string> list;
  for (const auto& [key, value] : annotations)
    if (key.starts_with(kPrefix)) list.push_back(cat(std::string_view(key).substr(kPrefix.size()), "=", value));
  return list;
}

}  // namespace convox::oci
