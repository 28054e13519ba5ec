// Who somebody is inside an image: the one parser that decides between root and not root.
#include "runtime/stage/user_lookup.h"

#include <criterion/criterion.h>

#include <cerrno>
#include <string>

using namespace convox;
using namespace convox::stage;

namespace {

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "web:x:1000:1001:Web:/srv/web:/bin/sh\n"
    "1234:x:77:77:a name of digits:/home/digits:/bin/sh\n"
    "bad:x:-1:0::/:/bin/sh\n"
    "last:x:1002:1002::/last:/bin/sh";
constexpr std::string_view kGroup =
    "root:x:0:\n"
    "wheel:x:10:root,web\n"
    "web:x:1001:\n"
    "adm:x:4:web,last\n"
    "webby:x:11:webby,awweb\n";

struct Case {
  const char* spec;
  int error;
  std::uint32_t uid, gid;
  const char* groups;  // supplementary ones, the primary first
  const char* home;
};

std::string groups_of(const User& user) {
  std::string text;
  for (std::uint32_t i = 0; i < user.group_count; ++i) text += (i ? " " : "") + std::to_string(user.groups[i]);
  return text;
}

}  // namespace

Test(user_lookup, a_spec_means_what_the_images_files_say) {
  const Case cases[] = {
      {"", 0, 0, 0, "0 10", "/root"},  // root is listed in wheel
      {"0", 0, 0, 0, "0 10", "/root"},
      {"web", 0, 1000, 1001, "1001 10 4", "/srv/web"},
      {"1000", 0, 1000, 1001, "1001 10 4", "/srv/web"},
      {"web:adm", 0, 1000, 4, "4", "/srv/web"},
      {"web:50", 0, 1000, 50, "50", "/srv/web"},
      {"4711", 0, 4711, 0, "0", ""},  // no entry: gid 0, as Docker has it
      {"4711:12", 0, 4711, 12, "12", ""},
      {"1234", 0, 1234, 0, "0", ""},               // digits are a number, never the name of an entry
      {"last", 0, 1002, 1002, "1002 4", "/last"},  // without a newline at the end
  };
  for (const Case& one : cases) {
    User user;
    const Errno error = look_up(one.spec, kPasswd, kGroup, &user);
    cr_assert(error.value == one.error, "%s: errno %d", one.spec, error.value);
    cr_assert(user.uid == one.uid && user.gid == one.gid, "%s: %u:%u", one.spec, user.uid, user.gid);
    cr_assert(groups_of(user) == one.groups, "%s: groups %s", one.spec, groups_of(user).c_str());
    cr_assert(user.home == one.home, "%s: home", one.spec);
  }
}

Test(user_lookup, nothing_that_is_not_a_user_becomes_root) {
  const struct {
    const char* spec;
    int error;
  } cases[] = {
      {"nobody-here", ENOENT},
      {"web:nothing", ENOENT},
      {"1a", ENOENT},
      {"-1", ENOENT},
      {"+0", ENOENT},
      {" 0", ENOENT},
      {"0x0", ENOENT},
      {"4294967295", EINVAL},
      {"4294967296", EINVAL},
      {"99999999999", EINVAL},
      {"0:", EINVAL},
      {"web:", EINVAL},
      {"bad", ENOENT},
      {"broken line", ENOENT},
      {"web:4294967295", EINVAL},
      {"18446744073709551616", EINVAL},
  };
  for (const auto& one : cases) {
    User user;
    const Errno error = look_up(one.spec, kPasswd, kGroup, &user);
    cr_assert(error.value == one.error, "\"%s\": errno %d", one.spec, error.value);
  }
}

Test(user_lookup, hostile_files_are_errors_and_not_work_without_end) {
  User user;
  const std::string long_line = "x:" + std::string(kMaxAccountLine, 'y') + "\nweb:x:1:1::/:/\n";
  cr_assert(look_up("web", long_line, "", &user).value == E2BIG);
  const std::string many_lines(kMaxAccountLines + 1, '\n');
  cr_assert(look_up("web", many_lines, "", &user).value == E2BIG);
  const std::string large(kMaxAccountFile + 1, 'x');
  cr_assert(look_up("web", large, "", &user).value == E2BIG);
  std::string groups;
  for (std::size_t i = 0; i < kMaxGroups + 1; ++i)
    groups += "g" + std::to_string(i) + ":x:" + std::to_string(2000 + i) + ":web\n";
  cr_assert(look_up("web", kPasswd, groups, &user).value == E2BIG);
  cr_assert(look_up("web", std::string_view("web:x:1:1::/\0evil:/bin/sh\n", 26), "", &user).value == 0);
}
