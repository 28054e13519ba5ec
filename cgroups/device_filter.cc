#include "cgroups/device_filter.h"

#include <errno.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace convox::cgroups {
namespace {

// By it the program is found again. At most 15 characters: BPF_OBJ_NAME_LEN.
constexpr const char* kName = "convox_devices";
constexpr const char* kLicense = "Apache-2.0";  // the program calls no function that asks for another
constexpr unsigned kMostPrograms = 64;          // of one group and hook: the kernel's BPF_CGROUP_MAX_PROGS

constexpr unsigned kAll = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

unsigned access_of(const DeviceRule& rule) {
  unsigned access = 0;
  if (rule.read) access |= BPF_DEVCG_ACC_READ;
  if (rule.write) access |= BPF_DEVCG_ACC_WRITE;
  if (rule.make) access |= BPF_DEVCG_ACC_MKNOD;
  return access;
}

bool is_of_all(const DeviceRule& rule) {
  return rule.type == 'a' && rule.major < 0 && rule.minor < 0 && access_of(rule) == kAll;
}

// --- instructions: linux/bpf.h, Documentation/bpf/standardization/instruction-set.rst --------------------------------
// Registers. The kernel calls with the context, a struct bpf_cgroup_dev_ctx, in r1.
constexpr std::uint8_t kResult = BPF_REG_0, kContext = BPF_REG_1, kField = BPF_REG_2, kAccess = BPF_REG_3;

class Program {
 public:
  void load(std::uint8_t into, std::size_t offset) {
    put(BPF_LDX | BPF_MEM | BPF_W, into, kContext, static_cast<short>(offset), 0);
  }
  void alu(unsigned operation, std::uint8_t into, unsigned value) {
    put(BPF_ALU | operation | BPF_K, into, 0, 0, value);
  }
  void copy(std::uint8_t into, std::uint8_t from) { put(BPF_ALU | BPF_MOV | BPF_X, into, from, 0, 0); }
  void answer(unsigned value) {
    alu(BPF_MOV, kResult, value);
    put(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }
  // To the end of the rule, which is not known yet.
  void leave_if(unsigned comparison, std::uint8_t left, unsigned value) {
    leaving_.push_back(instructions_.size());
    put(BPF_JMP32 | comparison | BPF_K, left, 0, 0, value);
  }
  void end_rule() {
    for (const std::size_t at : leaving_)
      instructions_[at].off = static_cast<short>(instructions_.size() - at - 1);  // counted from the next one
    leaving_.clear();
  }
  [[nodiscard]] std::string bytes() const {
    return {reinterpret_cast<const char*>(instructions_.data()), instructions_.size() * sizeof(bpf_insn)};
  }

 private:
  void put(unsigned code, std::uint8_t into, std::uint8_t from, short offset, unsigned value) {
    instructions_.push_back({static_cast<std::uint8_t>(code), into, from, offset, static_cast<int>(value)});
  }
  std::vector<bpf_insn> instructions_;
  std::vector<std::size_t> leaving_;
};

// kAccess holds what of the request no rule has decided yet. Each rule loads the fields that it compares anew: what the
// verifier learns of a register in one rule it would otherwise follow through all the rules behind, and the longest
// lists would be too complex for it (E2BIG).
void put_rule(const DeviceRule& rule, Program& program) {
  const unsigned access = access_of(rule);
  constexpr std::int64_t kMost = 0xffff'ffff;
  if (access == 0 || rule.major > kMost || rule.minor > kMost) return;  // matches nothing
  if (rule.type != 'a') {
    program.load(kField, offsetof(bpf_cgroup_dev_ctx, access_type));
    program.alu(BPF_AND, kField, 0xffff);
    program.leave_if(BPF_JNE, kField, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
  }
  if (rule.major >= 0) {
    program.load(kField, offsetof(bpf_cgroup_dev_ctx, major));
    program.leave_if(BPF_JNE, kField, static_cast<unsigned>(rule.major));
  }
  if (rule.minor >= 0) {
    program.load(kField, offsetof(bpf_cgroup_dev_ctx, minor));
    program.leave_if(BPF_JNE, kField, static_cast<unsigned>(rule.minor));
  }
  if (rule.allow && access != kAll) {
    program.alu(BPF_AND, kAccess, kAll & ~access);
    program.leave_if(BPF_JNE, kAccess, 0);
  } else if (!rule.allow && access != kAll) {
    program.copy(kResult, kAccess);
    program.alu(BPF_AND, kResult, access);
    program.leave_if(BPF_JEQ, kResult, 0);
  }
  program.answer(rule.allow ? 1 : 0);
  program.end_rule();
}

// --- bpf(2) ----------------------------------------------------------------------------------------------------------
Result<UniqueFd> load(const std::string& program) {
  bpf_attr how{};
  how.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  how.insns = reinterpret_cast<std::uint64_t>(program.data());
  how.insn_cnt = static_cast<std::uint32_t>(program.size() / sizeof(bpf_insn));
  how.license = reinterpret_cast<std::uint64_t>(kLicense);
  std::strncpy(how.prog_name, kName, sizeof how.prog_name - 1);
  return UniqueFd(TRY(check(sys::bpf(BPF_PROG_LOAD, &how, sizeof how), "bpf", "BPF_PROG_LOAD")));
}

Result<bool> is_ours(const UniqueFd& program) {
  bpf_prog_info info{};
  bpf_attr how{};
  how.info.bpf_fd = static_cast<std::uint32_t>(program.get());
  how.info.info_len = sizeof info;
  how.info.info = reinterpret_cast<std::uint64_t>(&info);
  TRY(check(sys::bpf(BPF_OBJ_GET_INFO_BY_FD, &how, sizeof how), "bpf", "BPF_OBJ_GET_INFO_BY_FD"));
  return std::strncmp(info.name, kName, sizeof info.name) == 0;
}

// The programs that we attached to the group: one, or none. Others may be there too, systemd's for instance; a device
// is had if all allow it.
Result<std::vector<UniqueFd>> find_ours(int group) {
  std::uint32_t ids[kMostPrograms] = {};
  bpf_attr query{};
  query.query.target_fd = static_cast<std::uint32_t>(group);
  query.query.attach_type = BPF_CGROUP_DEVICE;
  query.query.prog_ids = reinterpret_cast<std::uint64_t>(ids);
  query.query.prog_cnt = kMostPrograms;
  TRY(check(sys::bpf(BPF_PROG_QUERY, &query, sizeof query), "bpf", "BPF_PROG_QUERY"));
  std::vector<UniqueFd> found;
  for (std::uint32_t at = 0; at < query.query.prog_cnt; ++at) {
    bpf_attr how{};
    how.prog_id = ids[at];
    const long opened = sys::bpf(BPF_PROG_GET_FD_BY_ID, &how, sizeof how);
    if (opened == -ENOENT) continue;  // detached since
    UniqueFd program(TRY(check(opened, "bpf", "BPF_PROG_GET_FD_BY_ID")));
    if (TRY(is_ours(program))) found.push_back(std::move(program));
  }
  return found;
}

Result<> attach(int group, const UniqueFd& program, const std::vector<UniqueFd>& before) {
  bpf_attr how{};
  how.target_fd = static_cast<std::uint32_t>(group);
  how.attach_bpf_fd = static_cast<std::uint32_t>(program.get());
  how.attach_type = BPF_CGROUP_DEVICE;
  how.attach_flags = BPF_F_ALLOW_MULTI;
  if (!before.empty()) {
    how.attach_flags |= BPF_F_REPLACE;
    how.replace_bpf_fd = static_cast<std::uint32_t>(before.front().get());
  }
  TRY(check(sys::bpf(BPF_PROG_ATTACH, &how, sizeof how), "bpf", "BPF_PROG_ATTACH"));
  return ok();
}

Result<> replace_program(int group, const std::vector<DeviceRule>& rules) {
  const std::vector<UniqueFd> before = TRY(find_ours(group));
  const UniqueFd program = TRY(load(device_program(rules)));
  return attach(group, program, before);
}

}  // namespace

std::vector<DeviceRule> with_default_devices(std::vector<DeviceRule> asked) {
  constexpr DeviceRule kDefaults[] = {
      {true, 'c', -1, -1, false, false, true},  // a node in a file system with `nodev` is no device yet
      {true, 'b', -1, -1, false, false, true},
      {true, 'c', 1, 3},     // null
      {true, 'c', 1, 5},     // zero
      {true, 'c', 1, 7},     // full
      {true, 'c', 1, 8},     // random
      {true, 'c', 1, 9},     // urandom
      {true, 'c', 5, 0},     // tty
      {true, 'c', 5, 1},     // console
      {true, 'c', 5, 2},     // ptmx
      {true, 'c', 136, -1},  // pts/*
      {true, 'c', 10, 200},  // net/tun
  };
  asked.insert(asked.end(), std::begin(kDefaults), std::end(kDefaults));
  return asked;
}

bool allows_all(const std::vector<DeviceRule>& rules) {
  const auto last = std::find_if(rules.rbegin(), rules.rend(), is_of_all);
  return last != rules.rend() &&
         std::all_of(rules.rbegin(), std::next(last), [](const DeviceRule& rule) { return rule.allow; });
}

std::string device_program(const std::vector<DeviceRule>& rules) {
  Program program;
  program.load(kAccess, offsetof(bpf_cgroup_dev_ctx, access_type));
  program.alu(BPF_RSH, kAccess, 16);  // what is wanted stands in the upper half
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
    put_rule(*rule, program);
    if (is_of_all(*rule)) return program.bytes();  // nothing gets past it, and the kernel refuses what it cannot reach
  }
  program.answer(0);
  return program.bytes();
}

Result<> filter_devices(const Cgroup& group, const std::vector<DeviceRule>& rules, bool in_user_namespace) {
  Result<> done = replace_program(group.fd(), rules);
  if (done) return ok();
  if (done.error().code == EPERM && (in_user_namespace || allows_all(rules))) return ok();
  return std::move(done).error().under(cat("choosing the devices of ", group.path()));
}

}  // namespace convox::cgroups
