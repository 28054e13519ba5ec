// No root, no kernel: the program that the kernel would ask is run by an interpreter, and its answers are compared with
// the rules, read as the specification says: for each kind of access the last rule that matches decides.
#include "cgroups/device_filter.h"

#include <criterion/criterion.h>

#include "tests/support/ebpf.h"

using namespace convox;
using namespace convox::cgroups;

namespace {

struct Request {
  char type = 'c';
  std::uint32_t major = 1, minor = 3;
  unsigned access = BPF_DEVCG_ACC_READ;
};

bool allowed(const std::string& program, const Request& wanted) {
  const std::uint32_t type = wanted.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
  const auto answer = support::run_ebpf(program, {wanted.access << 16 | type, wanted.major, wanted.minor});
  cr_assert(answer.has_value(), "no good program");
  return *answer == 1;
}

bool matches(const DeviceRule& rule, const Request& wanted, unsigned access) {
  const bool kind = access == BPF_DEVCG_ACC_READ ? rule.read : access == BPF_DEVCG_ACC_WRITE ? rule.write : rule.make;
  return kind && (rule.type == 'a' || rule.type == wanted.type) && (rule.major < 0 || rule.major == wanted.major) &&
         (rule.minor < 0 || rule.minor == wanted.minor);
}

// By the words of the specification, one access at a time.
bool expected(const std::vector<DeviceRule>& rules, const Request& wanted) {
  for (const unsigned access : {BPF_DEVCG_ACC_READ, BPF_DEVCG_ACC_WRITE, BPF_DEVCG_ACC_MKNOD}) {
    if (!(wanted.access & access)) continue;
    bool allow = false;
    for (const DeviceRule& rule : rules)
      if (matches(rule, wanted, access)) allow = rule.allow;
    if (!allow) return false;
  }
  return true;
}

// Every rule that is worth its own instructions: 2 verdicts x types x numbers x accesses.
std::vector<DeviceRule> all_rules() {
  std::vector<DeviceRule> list;
  for (const bool allow : {false, true})
    for (const char type : {'a', 'b', 'c'})
      for (const std::int64_t major : {-1, 1})
        for (const std::int64_t minor : {-1, 3})
          for (const unsigned access : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U})
            list.push_back({allow, type, major, minor, (access & 1) != 0, (access & 2) != 0, (access & 4) != 0});
  return list;
}

std::vector<Request> all_requests() {
  std::vector<Request> list;
  for (const char type : {'b', 'c'})
    for (const std::uint32_t major : {1U, 2U})
      for (const std::uint32_t minor : {3U, 4U})
        for (unsigned access = 1; access < 8; ++access) list.push_back({type, major, minor, access});
  return list;
}

void expect_as_specified(const std::vector<DeviceRule>& rules, const std::vector<Request>& requests) {
  const std::string program = device_program(rules);
  cr_assert(support::all_reached(program), "an instruction that is never reached");
  for (const Request& wanted : requests)
    cr_assert(allowed(program, wanted) == expected(rules, wanted), "%c %u:%u access %u", wanted.type, wanted.major,
              wanted.minor, wanted.access);
}

}  // namespace

Test(device_filter, without_rules_every_device_is_refused) { expect_as_specified({}, all_requests()); }

Test(device_filter, one_rule_decides_what_it_matches_and_nothing_else) {
  const auto requests = all_requests();
  for (const DeviceRule& rule : all_rules()) expect_as_specified({rule}, requests);
}

Test(device_filter, of_two_rules_the_later_decides_each_access_that_it_names, .timeout = 120) {
  const auto rules = all_rules();
  const auto requests = all_requests();
  for (const DeviceRule& first : rules)
    for (const DeviceRule& second : rules) expect_as_specified({first, second}, requests);
}

// Lists as long as real ones, of rules drawn by a generator that is the same every time.
Test(device_filter, long_lists_are_decided_by_the_last_match_too) {
  const auto rules = all_rules();
  const auto requests = all_requests();
  std::uint64_t state = 1;
  for (int list = 0; list < 500; ++list) {
    std::vector<DeviceRule> drawn;
    for (int rule = 0; rule < 12; ++rule) {
      state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
      drawn.push_back(rules[(state >> 33) % rules.size()]);
    }
    expect_as_specified(drawn, requests);
  }
}

// O_RDWR asks for both at once: one rule may give the reading and another the writing, and one may take half away.
Test(device_filter, a_request_for_reading_and_writing_is_two) {
  constexpr unsigned kBoth = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;
  const DeviceRule read{true, 'c', 1, 3, true, false, false}, write{true, 'c', 1, 3, false, true, false};
  cr_expect(allowed(device_program({read, write}), {'c', 1, 3, kBoth}));
  cr_expect(not allowed(device_program({read}), {'c', 1, 3, kBoth}));
  const DeviceRule no_writing{false, 'c', 1, 3, false, true, false};
  const std::string program = device_program({{true}, no_writing});
  cr_expect(not allowed(program, {'c', 1, 3, kBoth}));
  cr_expect(allowed(program, {'c', 1, 3, BPF_DEVCG_ACC_READ}));
}

Test(device_filter, numbers_that_no_device_has_match_none) {
  const DeviceRule huge{true, 'c', (1LL << 32) + 1, 3};
  cr_expect(not allowed(device_program({huge}), {}));
  const DeviceRule last{true, 'c', 0xffff'ffff, 0xffff'ffff};
  cr_expect(allowed(device_program({last}), {'c', 0xffff'ffff, 0xffff'ffff}));
}

Test(device_filter, the_default_devices_win_over_what_was_asked) {
  const std::string program = device_program(with_default_devices({{false}}));
  constexpr unsigned kAll = 7, kMake = BPF_DEVCG_ACC_MKNOD;
  for (const auto& [major, minor] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 1}, {5, 2}, {136, 0}, {136, 7}, {10, 200}})
    cr_expect(allowed(program, {'c', major, minor, kAll}), "%u:%u", major, minor);
  cr_expect(not allowed(program, {'c', 1, 1, kAll}));  // mem
  cr_expect(not allowed(program, {'b', 8, 0, BPF_DEVCG_ACC_READ}));
  cr_expect(allowed(program, {'b', 8, 0, kMake}));
  cr_expect(allowed(program, {'c', 1, 1, kMake}));
}

Test(device_filter, a_list_allows_all_if_nothing_is_taken_away_behind_the_rule_that_does) {
  const DeviceRule all{true}, none{false}, one{true, 'c', 1, 3}, not_one{false, 'c', 1, 3};
  cr_expect(allows_all({all}));
  cr_expect(allows_all({none, all, one}));
  cr_expect(allows_all(with_default_devices({all})));
  cr_expect(not allows_all({}));
  cr_expect(not allows_all({none}));
  cr_expect(not allows_all({one}));
  cr_expect(not allows_all({all, not_one}));
  cr_expect(not allows_all({all, none}));
  cr_expect(not allows_all({{true, 'a', -1, -1, true, true, false}}));
}
