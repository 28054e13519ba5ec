// Do the options of a mount mean what mount(8) and the specification say, whatever their order?
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <sys/mount.h>

#include <algorithm>
#include <initializer_list>

#include "runtime/oci/mount_options.h"
#include "tests/unit/oci_documents.h"

using namespace convox;
using namespace convox::oci;

namespace {

Mount with(std::initializer_list<std::string_view> options) {
  Mount mount;
  for (const std::string_view option : options) {
    const auto applied = apply_option(mount, option);
    cr_assert(applied.has_value(), "%s: %s", std::string(option).c_str(), applied ? "" : applied.error().text.c_str());
  }
  return mount;
}

std::string refused(std::string_view option) {
  Mount mount;
  const auto applied = apply_option(mount, option);
  return applied ? "accepted" : applied.error().text;
}

std::string data(std::initializer_list<std::string_view> options) {
  std::string all;
  for (const std::string& text : with(options).data) all += cat(all.empty() ? "" : ",", text);
  return all;
}

// What both pairs of masks are, in hexadecimal digits that a failure can show.
void expect_masks(const Mount& mount, std::uint64_t set, std::uint64_t clear, std::uint64_t recursive_set = 0,
                  std::uint64_t recursive_clear = 0, std::source_location at = std::source_location::current()) {
  cr_expect(mount.set == set && mount.clear == clear && mount.recursive_set == recursive_set &&
                mount.recursive_clear == recursive_clear,
            "line %u: %lx %lx %lx %lx", at.line(), mount.set, mount.clear, mount.recursive_set, mount.recursive_clear);
}

}  // namespace

Test(oci_mount_options, each_attribute_has_a_word_and_its_opposite_for_one_mount_and_for_all_below) {
  struct Row {
    const char *set, *clear;
    std::uint64_t attribute;
  };
  const Row rows[] = {{"ro", "rw", MOUNT_ATTR_RDONLY},
                      {"nosuid", "suid", MOUNT_ATTR_NOSUID},
                      {"nodev", "dev", MOUNT_ATTR_NODEV},
                      {"noexec", "exec", MOUNT_ATTR_NOEXEC},
                      {"nodiratime", "diratime", MOUNT_ATTR_NODIRATIME},
                      {"nosymfollow", "symfollow", MOUNT_ATTR_NOSYMFOLLOW}};
  for (const auto& [set, clear, attribute] : rows) {
    expect_masks(with({set}), attribute, 0);
    expect_masks(with({clear}), 0, attribute);
    expect_masks(with({set, clear}), 0, attribute);
    expect_masks(with({clear, set}), attribute, 0);
    const std::string all_set = cat("r", set), all_clear = cat("r", clear);
    expect_masks(with({all_set}), 0, 0, attribute, 0);
    expect_masks(with({all_clear}), 0, 0, 0, attribute);
    expect_masks(with({all_set, all_clear}), 0, 0, 0, attribute);
    expect_masks(with({set, all_clear}), attribute, 0, 0, attribute);
    cr_expect(with({set, all_set}).data.empty());
  }
}

Test(oci_mount_options, the_modes_of_access_times_are_one_field) {
  constexpr std::uint64_t field = MOUNT_ATTR__ATIME;
  expect_masks(with({"noatime"}), MOUNT_ATTR_NOATIME, field);
  expect_masks(with({"strictatime"}), MOUNT_ATTR_STRICTATIME, field);
  expect_masks(with({"relatime"}), 0, field);
  expect_masks(with({"noatime", "strictatime"}), MOUNT_ATTR_STRICTATIME, field);
  expect_masks(with({"strictatime", "noatime"}), MOUNT_ATTR_NOATIME, field);
  expect_masks(with({"strictatime", "relatime"}), 0, field);
  expect_masks(with({"rnoatime"}), 0, 0, MOUNT_ATTR_NOATIME, field);
  expect_masks(with({"rstrictatime"}), 0, 0, MOUNT_ATTR_STRICTATIME, field);
  expect_masks(with({"rrelatime"}), 0, 0, 0, field);
}

Test(oci_mount_options, the_opposite_of_a_mode_takes_back_only_that_mode) {
  constexpr std::uint64_t field = MOUNT_ATTR__ATIME;
  expect_masks(with({"atime"}), 0, field);
  expect_masks(with({"noatime", "atime"}), 0, field);
  expect_masks(with({"strictatime", "atime"}), MOUNT_ATTR_STRICTATIME, field);
  expect_masks(with({"strictatime", "nostrictatime"}), 0, field);
  expect_masks(with({"noatime", "nostrictatime"}), MOUNT_ATTR_NOATIME, field);
  expect_masks(with({"noatime", "norelatime"}), MOUNT_ATTR_NOATIME, field);
  expect_masks(with({"ratime"}), 0, 0, 0, field);
  expect_masks(with({"rnoatime", "rnostrictatime", "rnorelatime"}), 0, 0, MOUNT_ATTR_NOATIME, field);
}

Test(oci_mount_options, a_bind_mount_is_recursive_once_rbind_is_among_its_options) {
  cr_expect(with({"bind"}).bind && !with({"bind"}).recursive);
  cr_expect(with({"rbind"}).bind && with({"rbind"}).recursive);
  cr_expect(with({"rbind", "bind"}).recursive);
  cr_expect(with({"bind", "rbind"}).recursive);
  cr_expect(not(with({"ro"}).bind));
}

Test(oci_mount_options, the_last_propagation_wins) {
  const std::pair<std::string, std::uint64_t> words[] = {
      {"shared", MS_SHARED}, {"slave", MS_SLAVE}, {"private", MS_PRIVATE}, {"unbindable", MS_UNBINDABLE}};
  for (const auto& [word, flag] : words) {
    cr_expect(with({word}).propagation == flag && !with({word}).propagation_recursive);
    const std::string all = cat("r", word);
    cr_expect(with({all}).propagation == flag && with({all}).propagation_recursive);
    cr_expect(with({"rshared", word}).propagation == flag && !with({"rshared", word}).propagation_recursive);
  }
  cr_expect(with({"ro"}).propagation == 0);
}

Test(oci_mount_options, flags_of_the_file_system_are_data_and_can_be_taken_back) {
  expect_text(data({"sync", "dirsync", "mand", "lazytime"}), "sync,dirsync,mand,lazytime");
  expect_text(data({"sync", "async"}), "");
  expect_text(data({"async", "sync"}), "sync");
  expect_text(data({"mand", "nomand", "lazytime", "nolazytime"}), "");
  expect_text(data({"sync", "sync"}), "sync");
}

Test(oci_mount_options, what_happens_anyway_changes_nothing) {
  const Mount mount = with({"defaults", "remount", "loud", "silent", "iversion", "noiversion", ""});
  expect_masks(mount, 0, 0);
  cr_expect(mount.data.empty() && !mount.bind && mount.propagation == 0);
}

Test(oci_mount_options, all_else_is_for_the_file_system_in_its_order) {
  expect_text(data({"size=65536k", "ro", "mode=755", "newinstance", "RO", "idmapped=1"}),
              "size=65536k,mode=755,newinstance,RO,idmapped=1");
}

Test(oci_mount_options, a_tmpfs_may_be_filled_from_below) {
  cr_expect(with({"tmpcopyup"}).copy_up);
  cr_expect(not(with({"ro"}).copy_up));
}

Test(oci_mount_options, identities_are_mapped_here_or_below_too) {
  cr_expect(with({"idmap"}).idmap == Mount::IdMap::kThis);
  cr_expect(with({"ridmap"}).idmap == Mount::IdMap::kRecursive);
  cr_expect(with({"ridmap", "idmap"}).idmap == Mount::IdMap::kThis);
  const Mount mount = with({"idmap=uids=0-1000-10#10-2000-5;gids=0-3000-1"});
  cr_expect(mount.idmap == Mount::IdMap::kThis);
  const std::vector<IdMapping> uids = {{0, 1000, 10}, {10, 2000, 5}}, gids = {{0, 3000, 1}};
  cr_expect(mount.uid_mappings == uids);
  cr_expect(mount.gid_mappings == gids);
  cr_expect(with({"ridmap=uids=0-1-1;gids=0-1-1"}).idmap == Mount::IdMap::kRecursive);
}

Test(oci_mount_options, mappings_that_are_none_are_refused) {
  for (const std::string_view bad :
       {"idmap=uids=0-1", "idmap=uids=a-1-1", "idmap=uids=0-1-4294967296", "idmap=uids=0-1-1-1", "idmap=uids=-1-1-1"})
    expect_text(refused(bad), "idmap: a range is FROM-TO-SIZE");
  expect_text(refused("idmap=users=0-1-1"), "idmap: \"users\" is neither uids nor gids");
  expect_text(refused("idmap=uids=@0-1-1"), "idmap: ranges relative to the container (@) are not supported");
}

Test(oci_mount_options, what_cannot_be_had_is_refused_and_not_given_to_a_file_system) {
  expect_text(refused("copy-symlink"), "the mount option copy-symlink is not supported");
  expect_text(refused("src-nofollow"), "the mount option src-nofollow is not supported");
  expect_text(refused("dest-nofollow"), "the mount option dest-nofollow is not supported");
}

Test(oci_mount_options, the_list_of_names_is_sorted_whole_and_true) {
  const auto names = mount_option_names();
  cr_expect(std::is_sorted(names.begin(), names.end()));
  cr_expect(std::adjacent_find(names.begin(), names.end()) == names.end());
  for (const std::string_view name : names) cr_expect(with({name}).data.empty() || !name.starts_with("no"));
  // Every word that the specification wants.
  for (const std::string_view word : {"async",         "atime",        "bind",
                                      "defaults",      "dev",          "diratime",
                                      "dirsync",       "exec",         "idmap",
                                      "iversion",      "lazytime",     "loud",
                                      "mand",          "noatime",      "nodev",
                                      "nodiratime",    "noexec",       "noiversion",
                                      "nolazytime",    "nomand",       "norelatime",
                                      "nostrictatime", "nosuid",       "nosymfollow",
                                      "private",       "ratime",       "rbind",
                                      "rdev",          "rdiratime",    "relatime",
                                      "remount",       "rexec",        "ridmap",
                                      "rnoatime",      "rnodev",       "rnodiratime",
                                      "rnoexec",       "rnorelatime",  "rnostrictatime",
                                      "rnosuid",       "rnosymfollow", "ro",
                                      "rprivate",      "rrelatime",    "rro",
                                      "rrw",           "rshared",      "rslave",
                                      "rstrictatime",  "rsuid",        "rsymfollow",
                                      "runbindable",   "rw",           "shared",
                                      "silent",        "slave",        "strictatime",
                                      "suid",          "symfollow",    "sync",
                                      "tmpcopyup",     "unbindable"})
    cr_expect(std::binary_search(names.begin(), names.end(), word), "%s", std::string(word).c_str());
}
