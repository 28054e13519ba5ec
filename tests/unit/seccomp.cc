// Does the filter say what the policy says? The program is interpreted for every call number and at the edges of every
// argument it looks at, against a table of numbers that was written from the kernel's
// arch/x86/entry/syscalls/syscall_64.tbl and knows nothing of the code under test. The last test asks the kernel
// itself.
#include "runtime/security/seccomp.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "runtime/base/fs.h"
#include "runtime/security/bpf_check.h"
#include "runtime/security/seccomp_cache.h"
#include "runtime/security/seccomp_compile.h"
#include "tests/support/bpf.h"

using namespace convox;
using namespace convox::security;

namespace {

constexpr std::uint32_t kAllow_ = SECCOMP_RET_ALLOW;
constexpr std::uint32_t fails(int error) { return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error); }
constexpr CapabilitySet kAll = all_capabilities(CAP_LAST_CAP);

std::uint32_t ask(std::string_view program, int number, std::array<std::uint64_t, 6> arguments = {},
                  std::uint32_t architecture = AUDIT_ARCH_X86_64) {
  seccomp_data data{number, architecture, 0x7fff12345678, {}};
  for (std::size_t n = 0; n < 6; ++n) data.args[n] = arguments[n];
  const auto answer = support::run_bpf(program, data);
  if (!answer) cr_fatal("the program is broken at call %d", number);
  return *answer;
}

// Not cr_assert: that reports every success to the test's parent, and there are millions.
void same(std::uint32_t got, std::uint32_t want, const char* what, std::uint64_t value) {
  if (got != want) cr_fatal("%s %#lx answers %#x instead of %#x", what, value, got, want);
}

// A directory for one test, gone with it.
struct Directory {
  char path[32] = "/tmp/convox-seccomp-XXXXXX";
  UniqueFd fd;
  Directory() {
    cr_assert(ne(ptr, ::mkdtemp(path), nullptr));
    fd = UniqueFd(::open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { (void)fs::remove_tree(AT_FDCWD, path); }
};

std::string program_for(CapabilitySet granted) {
  const Directory cache;
  auto program = filter_program(granted, cache.fd.get());
  cr_assert(program.has_value());
  return *program;
}

// --- what is expected, by number -----------------------------------------------------------------------------------
enum What { kYes, kNo, kArgs, kNever };  // allowed, EPERM (unless a capability), by its arguments, ENOSYS (unless ...)
struct Expected {
  int first, last;
  What what;
  CapabilitySet unless = 0;
};
constexpr CapabilitySet kAdmin = bit(CAP_SYS_ADMIN);
constexpr Expected kTable[] = {
    {0, 15, kYes},
    {16, 16, kArgs /* ioctl */},
    {17, 40, kYes},
    {41, 41, kArgs /* socket */},
    {42, 52, kYes},
    {53, 53, kArgs /* socketpair */},
    {54, 55, kYes},
    {56, 56, kArgs /* clone */},
    {57, 102, kYes},
    {103, 103, kNo, kAdmin | bit(CAP_SYSLOG)},
    {104, 133, kYes},
    {134, 134, kNo /* uselib */},
    {135, 135, kArgs /* personality */},
    {136, 136, kNo /* ustat */},
    {137, 138, kYes},
    {139, 139, kNo /* sysfs */},
    {140, 152, kYes},
    {153, 153, kNo, bit(CAP_SYS_TTY_CONFIG)},
    {154, 156, kNo /* modify_ldt pivot_root _sysctl */},
    {157, 160, kYes},
    {161, 161, kNo, bit(CAP_SYS_CHROOT)},
    {162, 162, kYes},
    {163, 163, kNo, bit(CAP_SYS_PACCT)},
    {164, 164, kNo, bit(CAP_SYS_TIME)},
    {165, 166, kNo, kAdmin /* mount umount2 */},
    {167, 168, kNo /* swapon, -off */},
    {169, 169, kNo, bit(CAP_SYS_BOOT)},
    {170, 171, kNo, kAdmin /* sethostname setdomainname */},
    {172, 173, kNo, bit(CAP_SYS_RAWIO)},
    {174, 174, kNo /* create_module */},
    {175, 176, kNo, bit(CAP_SYS_MODULE)},
    {177, 178, kNo /* get_kernel_syms query_module */},
    {179, 179, kNo, kAdmin /* quotactl */},
    {180, 180, kNo /* nfsservctl */},
    {181, 185, kNever},
    {186, 204, kYes},
    {205, 205, kNever},
    {206, 210, kYes},
    {211, 211, kNever},
    {212, 212, kNo, kAdmin /* lookup_dcookie */},
    {213, 213, kYes},
    {214, 215, kNever},
    {216, 226, kYes},
    {227, 227, kNo, bit(CAP_SYS_TIME)},
    {228, 235, kYes},
    {236, 236, kNever},
    {237, 239, kNo, bit(CAP_SYS_NICE)},
    {240, 245, kYes},
    {246, 246, kNo /* kexec_load */},
    {247, 247, kYes},
    {248, 250, kNo /* add_key request_key keyctl */},
    {251, 255, kYes},
    {256, 256, kNo /* migrate_pages */},
    {257, 271, kYes},
    {272, 272, kArgs /* unshare */},
    {273, 277, kYes},
    {278, 279, kNo /* vmsplice move_pages */},
    {280, 297, kYes},
    {298, 298, kNo, kAdmin | bit(CAP_PERFMON)},
    {299, 299, kYes},
    {300, 300, kNo, kAdmin /* fanotify_init */},
    {301, 303, kYes},
    {304, 304, kNo, bit(CAP_DAC_READ_SEARCH)},
    {305, 307, kYes},
    {308, 308, kNo, kAdmin /* setns */},
    {309, 311, kYes},
    {312, 312, kNo, bit(CAP_SYS_PTRACE)},
    {313, 313, kNo, bit(CAP_SYS_MODULE)},
    {314, 319, kYes},
    {320, 320, kNo /* kexec_file_load */},
    {321, 321, kNo, kAdmin | bit(CAP_BPF)},
    {322, 322, kYes},
    {323, 323, kNo /* userfaultfd */},
    {324, 335, kYes},
    {336, 423, kNever},
    {424, 424, kYes},
    {425, 427, kNo /* io_uring */},
    {428, 433, kNo, kAdmin /* open_tree .. fspick */},
    {434, 434, kYes},
    {435, 435, kNever, kAdmin /* clone3 */},
    {436, 437, kYes},
    {438, 438, kNo, bit(CAP_SYS_PTRACE)},
    {439, 439, kYes},
    {440, 440, kNo, bit(CAP_SYS_PTRACE)},
    {441, 441, kYes},
    {442, 443, kNo, kAdmin /* mount_setattr quotactl_fd */},
    {444, 449, kYes},
    {450, 450, kNo, bit(CAP_SYS_NICE)},
    {451, 458, kYes},
    {459, 461, kNo, kAdmin /* lsm_* */},
    {462, 466, kYes},
    {467, 467, kNo, kAdmin /* open_tree_attr */},
    {468, 600, kNever},
};

std::uint32_t expected(const Expected& row, CapabilitySet granted) {
  if (row.what == kYes || (row.unless & granted)) return kAllow_;
  return fails(row.what == kNo ? EPERM : ENOSYS);
}

void walk_numbers(std::string_view program, CapabilitySet granted) {
  int next = 0;
  for (const Expected& row : kTable) {
    if (row.first != next) cr_fatal("the table has a hole at %d", next);
    next = row.last + 1;
    if (row.what == kArgs) continue;
    for (int number = row.first; number <= row.last; ++number)
      for (const std::uint64_t argument : {std::uint64_t{0}, ~std::uint64_t{0}})
        same(ask(program, number, {argument, argument, argument}), expected(row, granted), "call", number);
  }
  cr_assert(eq(int, int{next}, 601));
}

// An argument is asked in four forms: the kernel sees the same 32 bits in all of them.
template <class Check>
void each_form(std::uint32_t value, Check check) {
  for (const std::uint64_t upper : {0ull, 1ull << 32, 0x8000000000000000ull, 0xffffffff00000000ull})
    check(value | upper);
}

void walk_flags(std::string_view program, CapabilitySet granted) {
  const std::uint32_t namespaces = 0x7e020000;
  for (int number : {56, 272}) {
    for (int one = 0; one < 32; ++one)
      for (int other = 0; other < 32; ++other) {
        const std::uint32_t flags = 1u << one | 1u << other;
        const bool harmless = !(flags & (namespaces | (number == 272 ? 0x80u : 0u)));
        each_form(flags, [&](std::uint64_t form) {
          same(ask(program, number, {form}), harmless || (granted & kAdmin) ? kAllow_ : fails(EPERM), "flags", form);
        });
      }
    for (const std::uint32_t flags : {0u, 17u /* fork */, 0x003d0f00u /* a thread */})
      each_form(flags, [&](std::uint64_t form) { same(ask(program, number, {form}), kAllow_, "flags", form); });
  }
}

void walk_ioctls(std::string_view program) {
  const auto check = [&](std::uint32_t command) {
    const bool refused = command == 0x5412 || command == 0x541c;
    each_form(command, [&](std::uint64_t form) {
      same(ask(program, 16, {0, form}), refused ? fails(EPERM) : kAllow_, "ioctl", form);
    });
  };
  for (std::uint32_t command = 0; command < 0x10000; ++command) check(command);
  for (int bit = 0; bit < 32; ++bit) check(0x5412u ^ 1u << bit), check(0x541cu ^ 1u << bit), check(~(1u << bit));
  same(ask(program, 16, {0x5412, 0x5401, 0x5412}), kAllow_, "an ioctl with the number elsewhere", 0x5401);
}

void walk_personalities(std::string_view program) {
  const auto check = [&](std::uint32_t persona) {
    const bool allowed =
        persona == 0 || persona == 8 || persona == 0x20000 || persona == 0x20008 || persona == 0xffffffff;
    each_form(persona, [&](std::uint64_t form) {
      same(ask(program, 135, {form}), allowed ? kAllow_ : fails(EPERM), "personality", form);
    });
  };
  for (std::uint32_t low = 0; low < 256; ++low)
    for (int bit = 0; bit < 32; ++bit)
      check(low), check(low | 1u << bit), check(~(1u << bit)), check(0x20008u | 1u << bit);
}

void walk_sockets(std::string_view program, CapabilitySet granted) {
  for (std::uint32_t family = 0; family <= 50; ++family)
    for (std::uint32_t protocol = 0; protocol < 40; ++protocol)
      each_form(family, [&](std::uint64_t form) {
        std::uint32_t want = fails(EAFNOSUPPORT);
        if (family == 1 || family == 2 || family == 10 || family == 16 || family == 17) want = kAllow_;
        if (family == 16 && protocol == 9 && !(granted & bit(CAP_AUDIT_WRITE))) want = fails(EINVAL);
        each_form(protocol, [&](std::uint64_t wide) { same(ask(program, 41, {form, 3, wide}), want, "socket", form); });
        same(ask(program, 53, {form, 1, protocol}), family == 1 ? kAllow_ : fails(ENOSYS), "socketpair", form);
      });
  for (int bit = 6; bit < 32; ++bit) {
    same(ask(program, 41, {2u | 1u << bit, 1}), fails(EAFNOSUPPORT), "a socket family with bit", bit);
    same(ask(program, 41, {16, 3, 9u | 1u << bit}), kAllow_, "a netlink protocol with bit", bit);
  }
}

void walk_other_architectures(std::string_view program) {
  for (int number = 0; number <= 600; ++number) {
    same(ask(program, 0x40000000 | number), fails(ENOSYS), "x32 call", number);
    for (const unsigned other : {AUDIT_ARCH_I386 + 0u, AUDIT_ARCH_AARCH64 + 0u, AUDIT_ARCH_ARM + 0u, 0u, 0xffffffffu})
      same(ask(program, number, {}, other), fails(ENOSYS), "a call of architecture", other);
  }
  for (const int number : {-1, -2, 601, 1000, 0x3fffffff, 0x7fffffff})
    same(ask(program, number), fails(ENOSYS), "call", static_cast<std::uint32_t>(number));
}

void walk(std::string_view program, CapabilitySet granted) {
  cr_assert(is_seccomp_program(program));
  walk_numbers(program, granted);
  walk_flags(program, granted);
  walk_sockets(program, granted);
  walk_other_architectures(program);
}

std::string written(const Directory& cache, const std::string& name) {
  auto content = fs::read(cache.fd.get(), name, 65536);
  cr_assert(content.has_value());
  return *content;
}

void overwrite(const Directory& cache, const std::string& name, std::string_view content, unsigned mode = 0600) {
  cr_assert(fs::replace(cache.fd.get(), name, content, mode, fs::Durable::kNo).has_value());
}

}  // namespace

Test(seccomp, the_default_filter_answers_every_call_as_the_policy_says) {
  const std::string program = program_for(kDefaultCapabilities);
  walk(program, kDefaultCapabilities);
  walk_ioctls(program);
  walk_personalities(program);
}

Test(seccomp, with_all_capabilities_only_what_no_capability_allows_is_refused) {
  const std::string program = program_for(kAll);
  walk(program, kAll);
  walk_ioctls(program);
  walk_personalities(program);
}

Test(seccomp, each_added_capability_allows_its_calls_and_no_others) {
  for (unsigned added = 0; added <= CAP_LAST_CAP; ++added)
    walk(program_for(kDefaultCapabilities | bit(added)), kDefaultCapabilities | bit(added));
}

Test(seccomp, no_capability_at_all_refuses_chroot_too) {
  const std::string program = program_for(0);
  walk(program, 0);
  cr_assert(ask(program, 161) == fails(EPERM));
}

Test(seccomp, the_embedded_filter_is_what_libseccomp_makes_now) {
  auto now = compile_filter(kDefaultCapabilities);
  cr_assert(now.has_value());
  cr_assert(now->compare(default_filter()) == 0);
}

Test(seccomp, rules_of_one_call_never_overlap_and_leave_nothing_out) {
  std::mt19937 random(1);
  const auto rows = argument_rows();
  for (std::size_t at = 0, end = 0; at < rows.size(); at = end) {
    while (end < rows.size() && rows[end].call == rows[at].call) ++end;
    const auto rules = disjoint(rows.subspan(at, end - at), kDefaultCapabilities);
    for (int trial = 0; trial < 5000; ++trial) {
      std::array<std::uint32_t, 6> arguments{};
      // Near a value that some row names, most bits right: random words alone would hardly ever meet a row.
      const ArgumentRow& near = rows[at + random() % (end - at)];
      for (std::uint32_t& word : arguments) word = trial % 2 ? random() : random() % 64;
      for (const ArgumentTest& test : {near.first, near.second})
        arguments[test.argument] = (arguments[test.argument] & ~test.mask) | test.value;
      if (trial % 3 == 0) arguments[random() % 3] ^= 1u << random() % 32;
      int matching = 0;
      for (const Rule& rule : rules) {
        bool all = true;
        for (std::size_t n = 0; n < 6; ++n) all &= (arguments[n] & rule.cube.mask[n]) == rule.cube.value[n];
        matching += all;
      }
      if (matching != 1) cr_fatal("%d rules of %s match", matching, std::string(rows[at].call).c_str());
    }
  }
}

Test(seccomp, a_compiled_filter_is_kept_and_used_again) {
  const Directory cache;
  const CapabilitySet granted = kDefaultCapabilities | bit(CAP_SYS_TIME);
  auto first = filter_program(granted, cache.fd.get());
  cr_assert(first.has_value());
  const auto files = fs::list(cache.fd.get());
  cr_assert(eq(sz, (*files).size(), 1u));
  const std::string name = (*files)[0];
  struct stat st {};
  cr_assert(0 == ::fstatat(cache.fd.get(), name.c_str(), &st, 0) && (st.st_mode & 07777) == 0600);

  // Another good program put in its place comes back, so it is the file that is used.
  cr_assert(cache_filter(cache.fd.get(), name, default_filter()).has_value());
  auto second = filter_program(granted | bit(CAP_NET_RAW), cache.fd.get());  // no call depends on NET_RAW
  cr_assert(second.has_value() && *second == default_filter());
}

Test(seccomp, the_default_filter_needs_no_cache) {
  cr_assert(filter_program(kDefaultCapabilities, -1).has_value());
  cr_assert(filter_program(kDefaultCapabilities | bit(CAP_NET_RAW), -1).has_value());
  auto compiled = filter_program(kDefaultCapabilities | bit(CAP_SYS_TIME), -1);
  cr_assert(compiled.has_value(), "a cache that cannot be used costs time, not the start");
}

Test(seccomp, a_cached_file_that_is_not_exactly_ours_is_compiled_again) {
  const Directory cache;
  const CapabilitySet granted = kDefaultCapabilities | bit(CAP_SYS_TIME);
  const std::string program = *filter_program(granted, cache.fd.get());
  const std::string name = (*fs::list(cache.fd.get()))[0];
  const std::string good = written(cache, name);
  const auto rejected = [&](const char* what) {
    cr_assert(cached_filter(cache.fd.get(), name).has_value() == false, "%s was believed", what);
    auto again = filter_program(granted, cache.fd.get());
    cr_assert(again.has_value() && *again == program, "%s", what);
  };
  cr_assert(cached_filter(cache.fd.get(), name).has_value());

  for (const std::size_t at : {std::size_t{0}, std::size_t{7}, std::size_t{8}, good.size() / 2, good.size() - 1}) {
    std::string corrupt = good;
    corrupt[at] = static_cast<char>(corrupt[at] ^ 1);
    overwrite(cache, name, corrupt);
    rejected("a changed byte");
    cr_assert(written(cache, name) == good, "the good file is back");
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{8}, good.size() - 8, good.size() - 1}) {
    overwrite(cache, name, good.substr(0, size));
    rejected("a truncated file");
  }
  overwrite(cache, name, good + good.substr(8, 8));
  rejected("a longer file");
  overwrite(cache, name, std::string(1 << 20, 'x'));
  rejected("a huge file");
  cr_assert(cache_filter(cache.fd.get(), name, "\6\0\0\0\0\0\1").has_value());
  rejected("a program of seven bytes under a good checksum");
  overwrite(cache, name, good, 0640);
  rejected("a file for the group");
  cr_assert(0 == ::linkat(cache.fd.get(), name.c_str(), cache.fd.get(), "second", 0));
  rejected("a file with a second name");
  cr_assert(0 == ::unlinkat(cache.fd.get(), name.c_str(), 0));
  cr_assert(0 == ::symlinkat("second", cache.fd.get(), name.c_str()));
  rejected("a symbolic link");
  cr_assert(0 == ::unlinkat(cache.fd.get(), name.c_str(), 0));
  cr_assert(0 == ::mkfifoat(cache.fd.get(), name.c_str(), 0600));
  rejected("a FIFO");
  if (::geteuid() == 0) {
    cr_assert(cached_filter(cache.fd.get(), name).has_value());
    cr_assert(0 == ::fchownat(cache.fd.get(), name.c_str(), 65534, 0, 0));
    rejected("somebody else's file");
  }
}

Test(seccomp, only_programs_that_the_kernel_takes_are_programs) {
  const auto bytes = [](std::vector<sock_filter> program) {
    return std::string(reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter));
  };
  const sock_filter ret{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  cr_assert(is_seccomp_program(bytes({ret})));
  cr_assert(is_seccomp_program(
      bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 60}, {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, ret, ret})));
  cr_assert(is_seccomp_program(bytes(std::vector<sock_filter>(BPF_MAXINSNS, ret))));
  const std::string bad[] = {
      "",
      bytes({ret}) + "x",
      bytes(std::vector<sock_filter>(BPF_MAXINSNS + 1, ret)),
      bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0}}),        // runs off the end
      bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 2}, ret}),   // not aligned
      bytes({{BPF_LD | BPF_W | BPF_ABS, 0, 0, 64}, ret}),  // past struct seccomp_data
      bytes({{BPF_LD | BPF_W | BPF_IND, 0, 0, 0}, ret}),   // not for seccomp
      bytes({{BPF_JMP | BPF_JA, 0, 0, 1}, ret}),           // jumps past the end
      bytes({{BPF_JMP | BPF_JA, 0, 0, 0xffffffff}, ret}),  // jumps back
      bytes({{BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0}, ret}),  // so does a branch
      bytes({{BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0}, ret}),
      bytes({{0xffff, 0, 0, 0}, ret}),
  };
  for (const std::string& program : bad)
    cr_assert(is_seccomp_program(program) == false, "program %ld was accepted", &program - bad);
}

Test(seccomp, explain_names_the_policy_and_counts_its_calls) {
  int allowed = 0, refused = 0;
  for (const Expected& row : kTable)
    if (row.what != kArgs && row.last < 600 && !(row.what == kNever && !row.unless))
      (expected(row, kDefaultCapabilities) == kAllow_ ? allowed : refused) += row.last - row.first + 1;
  const std::string text = explain_filter(kDefaultCapabilities);
  cr_assert(text.starts_with(cat("seccomp: convox-1, ", allowed, " calls allowed, 6 by their arguments, ", refused,
                                 " refused by name")),
            "%s", text.c_str());
}

// The child speaks raw system calls only: Criterion's process has two threads. It ends with 0, or with 1 and the number
// of the call on the pipe. Arguments of -1 would be errors if a call got through. Left out: 153, vhangup, which has
// none; and 336, uprobe: the kernel asks no filter about the two calls of its own probes (kernel/seccomp.c,
// seccomp_uprobe_exception).
Test(seccomp, the_kernel_takes_the_filter_and_refuses_what_it_should) {
  const std::string program = program_for(kDefaultCapabilities);
  int ends[2];
  cr_assert(0 == ::pipe2(ends, O_CLOEXEC));
  const pid_t child = ::fork();
  if (child == 0) {
    const sock_fprog filter{static_cast<unsigned short>(program.size() / sizeof(sock_filter)),
                            reinterpret_cast<sock_filter*>(const_cast<char*>(program.data()))};
    const auto expect = [&](long number, long answer, long want) {
      if (answer == want) return;
      const long news[3] = {number, answer, want};
      sys::write(ends[1], news, sizeof news);
      sys::exit_group(1);
    };
    expect(157, sys::prctl(PR_SET_NO_NEW_PRIVS, 1), 0);
    expect(317, sys::seccomp(SECCOMP_SET_MODE_FILTER, 0, &filter), 0);
    for (const Expected& row : kTable)
      for (int number = row.first; row.what != kArgs && number <= row.last; ++number)
        if (const std::uint32_t want = expected(row, kDefaultCapabilities);
            want != kAllow_ && number != 153 && number != 336)
          expect(number, sys::raw(number, -1, -1, -1, -1, -1, -1), -static_cast<long>(want & 0xffff));
    for (int number = 0; number <= 600; ++number) expect(number, sys::raw(0x40000000 | number, -1, -1, -1), -ENOSYS);
    expect(16, sys::raw(16, -1, 0x100005412, 0), -EPERM);
    expect(16, sys::raw(16, -1, 0x541c, 0), -EPERM);
    expect(16, sys::raw(16, -1, 0x5401, 0), -EBADF);
    expect(41, sys::raw(41, 38 /* AF_ALG */, 5, 0), -EAFNOSUPPORT);
    expect(41, sys::raw(41, 16, 3, 9), -EINVAL);
    expect(53, sys::raw(53, 30 /* AF_TIPC */, 5, 0, 0), -ENOSYS);
    expect(56, sys::raw(56, 0x10000000, 0, 0, 0, 0), -EPERM);
    expect(272, sys::raw(272, 0x10000000), -EPERM);
    expect(272, sys::raw(272, 0x80), -EPERM);
    expect(272, sys::raw(272, 0x400 /* CLONE_FILES */), 0);
    expect(135, sys::raw(135, 0x40000), -EPERM);
    expect(135, sys::raw(135, 0xffffffff), 0);
    sys::exit_group(0);
  }
  ::close(ends[1]);
  long news[3] = {-1, 0, 0};
  (void)!::read(ends[0], news, sizeof news);
  ::close(ends[0]);
  int status = 0;
  cr_assert(eq(int, ::waitpid(child, &status, 0), int{child}));
  cr_assert(eq(int, int{status}, 0), "call %ld answered %ld instead of %ld", news[0], news[1], news[2]);
}
