// No root, no systemd: what it will be told, and how that is read.
#include "runtime/oci/unit_properties.h"

#include <criterion/criterion.h>

#include "cgroups/device_filter.h"
#include "runtime/systemd/property.h"

using namespace convox;
using namespace convox::oci;

namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += cat(text.empty() ? "" : "; ", line);
  return text;
}

void expect(const std::string& text, const char* expected) {
  cr_expect(text == expected, "%s is not %s", text.c_str(), expected);
}

// A value as its type and its words, nested as it is.
std::string told(const systemd::Variant& value) {
  std::string text = cat(value.type, ":");
  switch (value.kind) {
    case systemd::Variant::Kind::kBoolean:
      return cat(text, value.truth ? "true" : "false");
    case systemd::Variant::Kind::kNumber:
    case systemd::Variant::Kind::kText:
      return cat(text, value.text);
    default:
      break;
  }
  for (const systemd::Variant& one : value.values) text += cat("<", told(one), ">");
  return text;
}

std::string read_variant(std::string_view text) {
  const auto value = systemd::parse_variant(text);
  return value ? told(*value) : cat("ERROR ", value.error().text);
}

std::string read_property(std::string_view line) {
  const auto property = systemd::parse_property(line);
  return property ? cat(property->name, " ", told(property->value)) : cat("ERROR ", property.error().text);
}

constexpr const char* kProcDevices =
    "Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n\nBlock devices:\n  1 ramdisk\n  8 sd\n136 odd'name\n";

}  // namespace

Test(unit_properties, a_path_names_a_slice_and_a_scope) {
  struct {
    const char *path, *slice, *unit;
  } cases[] = {{"machine.slice:libpod:abc", "machine.slice", "libpod-abc.scope"},
               {"system.slice::abc", "system.slice", "abc.scope"},
               {"-.slice:x:a_b.c", "-.slice", "x-a_b.c.scope"},
               {"kubepods-besteffort-pod1.slice:cri-containerd:1f", "kubepods-besteffort-pod1.slice",
                "cri-containerd-1f.scope"}};
  for (auto& one : cases) {
    const auto name = parse_scope(one.path);
    cr_assert(name.has_value(), "%s", one.path);
    expect(name->slice, one.slice);
    expect(name->unit, one.unit);
  }
  for (const char* path : {"", "/a/b", "a.slice:b", "a.slice:b:c:d", ":b:c", "a:b:c", "a.slice:b:", "a.slice:b:c.slice",
                           "a.slice:b:c/d", "a.slice:b:c d", "../a.slice:b:c"})
    cr_expect(not parse_scope(path).has_value(), "%s", path);
  cr_expect(not parse_scope(cat("a.slice:b:", std::string(300, 'x'))).has_value());
}

Test(unit_properties, limits_that_systemd_knows_are_told_and_others_are_not) {
  expect(joined(limit_properties({{"memory.max", "4096"},
                                  {"memory.low", "max", true},
                                  {"memory.swap.max", "0", true},
                                  {"cpu.weight", "35"},
                                  {"pids.max", "max", true},
                                  {"io.weight", "default 4950"},
                                  {"io.weight", "8:0 100"},
                                  {"io.max", "8:0 rbps=1"},
                                  {"hugetlb.2MB.max", "4"},
                                  {"cpu.idle", "1"}})),
         "MemoryMax=uint64 4096; MemoryLow=uint64 18446744073709551615; MemorySwapMax=uint64 0; CPUWeight=uint64 35; "
         "TasksMax=uint64 18446744073709551615; IOWeight=uint64 4950");
  expect(joined(limit_properties({{"pids.max", "0"}})), "TasksMax=uint64 1");
  expect(joined(limit_properties({{"memory.max", "4M"}, {"cpu.weight", "idle"}})), "");
}

Test(unit_properties, a_quota_is_told_for_a_second_and_rounded_up) {
  const auto quota = [](const char* value) { return joined(limit_properties({{"cpu.max", value}})); };
  expect(quota("50000 100000"), "CPUQuotaPeriodUSec=uint64 100000; CPUQuotaPerSecUSec=uint64 500000");
  expect(quota("1000 100000"), "CPUQuotaPeriodUSec=uint64 100000; CPUQuotaPerSecUSec=uint64 10000");
  expect(quota("33333 100000"), "CPUQuotaPeriodUSec=uint64 100000; CPUQuotaPerSecUSec=uint64 340000");
  expect(quota("max 20000"), "CPUQuotaPeriodUSec=uint64 20000; CPUQuotaPerSecUSec=uint64 18446744073709551615");
  expect(quota("50000"), "CPUQuotaPerSecUSec=uint64 500000");
}

Test(unit_properties, processors_are_bits) {
  const auto bits = [](const char* value) { return joined(limit_properties({{"cpuset.cpus", value}})); };
  expect(bits("0"), "AllowedCPUs=@ay [1]");
  expect(bits("0-2,7"), "AllowedCPUs=@ay [135]");
  expect(bits("8,17"), "AllowedCPUs=@ay [0, 1, 2]");
  expect(bits("odd"), "");
  expect(joined(limit_properties({{"cpuset.mems", "1"}})), "AllowedMemoryNodes=@ay [2]");
}

Test(unit_properties, devices_are_told_at_least_as_wide_as_the_rules) {
  const auto devices = [](const std::vector<cgroups::DeviceRule>& rules) {
    return joined(device_properties(rules, kProcDevices));
  };
  expect(devices({}), "DevicePolicy='strict'; DeviceAllow=@a(ss) []");
  expect(devices({{false}, {true, 'c', 1, 3}, {true, 'b', 8, 0, true, false, false}}),
         "DevicePolicy='strict'; DeviceAllow=@a(ss) [('/dev/char/1:3', 'rwm'), ('/dev/block/8:0', 'r')]");
  expect(devices({{true, 'c', 136, -1}, {true, 'b', 8, -1}, {true, 'c', -1, -1, false, false, true}}),
         "DevicePolicy='strict'; DeviceAllow=@a(ss) [('char-pts', 'rwm'), ('block-sd', 'rwm'), ('char-*', 'm')]");
  expect(devices({{true, 'c', 77, -1}, {true, 'b', 136, -1}, {true, 'c', -1, 3}}),
         "DevicePolicy='strict'; DeviceAllow=@a(ss) [('char-*', 'rwm'), ('block-*', 'rwm'), ('char-*', 'rwm')]");
  expect(devices({{true, 'a', -1, -1, true, false, false}}),
         "DevicePolicy='strict'; DeviceAllow=@a(ss) [('char-*', 'r'), ('block-*', 'r')]");
  expect(devices({{true}, {false, 'c', 1, 3}}), "DevicePolicy='auto'; DeviceAllow=@a(ss) []");
  for (const std::string& line : device_properties(cgroups::with_default_devices({}), kProcDevices))
    cr_expect(systemd::parse_property(line).has_value(), "%s", line.c_str());
}

Test(unit_properties, annotations_are_passed_on_as_they_are) {
  expect(joined(annotated_properties({{"a", "1"}, {"org.systemd.property.TimeoutStopSec", "uint64 5"}})),
         "TimeoutStopSec=uint64 5");
}

// --- how the lines are read ----------------------------------------------------------------------------------------

Test(property, values_have_the_types_that_gvariant_gives_them) {
  struct {
    const char *text, *expected;
  } cases[] = {
      {"true", "b:true"},
      {"false", "b:false"},
      {"5", "i:5"},
      {"-5", "i:-5"},
      {"0x1f", "i:0x1f"},
      {"1.5", "d:1.5"},
      {"1e3", "d:1e3"},
      {"'x'", "s:x"},
      {"\"it's\"", "s:it's"},
      {"'a\\'b\\\\c\\n'", "s:a'b\\c\n"},
      {"uint64 18446744073709551615", "t:18446744073709551615"},
      {"byte 0x01", "y:0x01"},
      {"  [ 'a' , 'b' ]  ", "as:<s:a><s:b>"},
      {"@as []", "as:"},
      {"[byte 1, 2]", "ay:<y:1><y:2>"},
      {"[1, byte 2]", "ay:<y:1><y:2>"},
      {"@ay [1, 255]", "ay:<y:1><y:255>"},
      {"('a', 1)", "(si):<s:a><i:1>"},
      {"(1,)", "(i):<i:1>"},
      {"@a(ss) [('/dev/null', 'rw')]", "a(ss):<(ss):<s:/dev/null><s:rw>>"},
      {"[('a', uint64 1), ('b', 2)]", "a(st):<(st):<s:a><t:1>><(st):<s:b><t:2>>"},
      {"[[1], [2]]", "aai:<ai:<i:1>><ai:<i:2>>"},
      {"objectpath '/a'", "o:/a"},
  };
  for (auto& one : cases) expect(read_variant(one.text), one.expected);
}

Test(property, what_is_no_value_is_an_error) {
  std::string deep;
  for (int level = 0; level < 1000; ++level) deep += "[";
  for (const std::string& text : {std::string(),
                                  std::string("[]"),
                                  std::string("()"),
                                  std::string("'a"),
                                  std::string("maybe"),
                                  std::string("1 2"),
                                  std::string("byte 256"),
                                  std::string("uint64 -1"),
                                  std::string("2147483648"),
                                  std::string("1x"),
                                  std::string("['a', 1]"),
                                  std::string("@as [1]"),
                                  std::string("@as 'a'"),
                                  std::string("@(ss) ('a',)"),
                                  std::string("@ss 'a'"),
                                  std::string("@ 'a'"),
                                  std::string("@a{sv} []"),
                                  std::string("<1>"),
                                  std::string("['a' 'b']"),
                                  std::string("'\\x'"),
                                  std::string("string 5"),
                                  std::string("boolean 1"),
                                  std::string("@as"),
                                  deep})
    cr_expect(read_variant(text).starts_with("ERROR "), "%s: %s", text.substr(0, 40).c_str(),
              read_variant(text).c_str());
}

Test(property, a_line_is_a_name_and_a_value) {
  expect(read_property("MemoryMax=uint64 4096"), "MemoryMax t:4096");
  expect(read_property("Description='a=b'"), "Description s:a=b");
  for (const char* line : {"", "=1", "Ab=1", "A1b=1", "Abc", "Abc=", "Abc =1", "Ab-c=1"})
    cr_expect(read_property(line).starts_with("ERROR "), "%s", line);
}

Test(property, seconds_of_unit_files_are_microseconds_on_the_bus) {
  expect(read_property("TimeoutStopSec=uint64 5"), "TimeoutStopUSec t:5000000");
  expect(read_property("TimeoutStopSec=1.5"), "TimeoutStopUSec t:1500000");
  expect(read_property("CPUQuotaPerSecUSec=uint64 10000"), "CPUQuotaPerSecUSec t:10000");
  for (const char* line : {"TimeoutStopSec='5s'", "TimeoutStopSec=-1", "TimeoutStopSec=1e13"})
    cr_expect(read_property(line).starts_with("ERROR "), "%s", line);
}
