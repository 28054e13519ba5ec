#include "runtime/stage/user_lookup.h"

#include <errno.h>

namespace convox::stage {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

// Cuts the part before `separator` off `text`; the whole text when there is none.
std::string_view cut(std::string_view* text, char separator) noexcept {
  const std::size_t end = text->find(separator);
  const std::string_view part = text->substr(0, end);
  *text = end == kNone ? std::string_view() : text->substr(end + 1);
  return part;
}

// Calls `visit(line)` for each line until it returns true. EINVAL, E2BIG for a file out of bounds.
template <class Visit>
Errno each_line(std::string_view file, Visit visit) noexcept {
  if (file.size() > kMaxAccountFile) return Errno(-E2BIG);
  for (std::size_t lines = 0; !file.empty(); ++lines) {
    if (lines == kMaxAccountLines) return Errno(-E2BIG);
    const std::string_view line = cut(&file, '\n');
    if (line.size() > kMaxAccountLine) return Errno(-E2BIG);
    if (visit(line)) break;
  }
  return {};
}

struct Entry {
  std::string_view name, home;
  std::uint32_t uid = 0, gid = 0;
};

// name:password:uid:gid:gecos:home:shell. A line that is anything else is no entry.
bool parse_passwd(std::string_view line, Entry* entry) noexcept {
  entry->name = cut(&line, ':');
  cut(&line, ':');
  if (entry->name.empty() || !parse_id(cut(&line, ':'), &entry->uid) || !parse_id(cut(&line, ':'), &entry->gid))
    return false;
  cut(&line, ':');
  entry->home = cut(&line, ':');
  return true;
}

bool lists(std::string_view members, std::string_view name) noexcept {
  while (!members.empty())
    if (cut(&members, ',') == name) return true;
  return false;
}

}  // namespace

bool parse_id(std::string_view text, std::uint32_t* id) noexcept {
  if (text.empty() || text.size() > 10) return false;
  std::uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return false;
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  if (value > kMaxId) return false;
  *id = static_cast<std::uint32_t>(value);
  return true;
}

Errno look_up(std::string_view spec, std::string_view passwd, std::string_view group, User* user) noexcept {
  *user = User{};
  const bool has_group = spec.find(':') != kNone;
  const std::string_view user_part = cut(&spec, ':');
  const std::string_view group_part = spec;
  if (has_group && group_part.empty()) return Errno(-EINVAL);

  // The user: a number, or a name that must have an entry.
  const bool digits = !user_part.empty() && user_part.find_first_not_of("0123456789") == kNone;
  std::uint32_t uid = 0;
  const bool number = digits || user_part.empty();
  if (digits && !parse_id(user_part, &uid)) return Errno(-EINVAL);
  Entry found;
  bool exists = false;
  Errno error = each_line(passwd, [&](std::string_view line) {
    Entry entry;
    if (!parse_passwd(line, &entry)) return false;
    if (number ? entry.uid != uid : entry.name != user_part) return false;
    found = entry;
    return exists = true;
  });
  if (error) return error;
  if (!number && !exists) return Errno(-ENOENT);
  user->uid = exists ? found.uid : uid;
  user->gid = exists ? found.gid : 0;
  if (exists && found.home.size() <= kMaxHome) user->home = found.home;

  // The group, if one was named; else the groups that list the user.
  const bool group_number = has_group && group_part.find_first_not_of("0123456789") == kNone;
  if (group_number && !parse_id(group_part, &user->gid)) return Errno(-EINVAL);
  bool group_exists = group_number || !has_group;
  bool too_many = false;
  if (!group_number) {
    error = each_line(group, [&](std::string_view line) {
      const std::string_view name = cut(&line, ':');
      cut(&line, ':');
      std::uint32_t gid = 0;
      if (name.empty() || !parse_id(cut(&line, ':'), &gid)) return false;
      if (has_group) {
        if (name != group_part) return false;
        user->gid = gid;
        return group_exists = true;
      }
      if (exists && gid != user->gid && lists(line, found.name)) {
        if (user->group_count + 1 == kMaxGroups) return too_many = true;
        user->groups[++user->group_count] = gid;
      }
      return false;
    });
    if (error) return error;
  }
  if (!group_exists) return Errno(-ENOENT);
  if (too_many) return Errno(-E2BIG);
  // The primary gid among the supplementary ones: without it, ACLs that deny a group are bypassed (CVE-2022-2989).
  user->groups[0] = user->gid;
  ++user->group_count;
  return {};
}

}  // namespace convox::stage
