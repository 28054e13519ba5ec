// config.json's `mounts` and `root`: order, options, destinations, propagation, idmaps; masked and read-only paths.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/oci/support/container.h"

using namespace convox::test;

namespace {

// A container with a directory of the host, source/, that holds `file`.
struct Bind : Container {
  Bind() { write_file(source() + "/file", "content\n"); }
  [[nodiscard]] std::string source() const { return path() + "/source"; }
  // Bound at `destination` with these options, as JSON words behind "rbind".
  void bind(const std::string& destination, const std::string& options = R"("rbind")", const std::string& from = {}) {
    set("/mounts/-", cat(R"({"type":"bind","source":)", quoted(from.empty() ? source() : from), R"(,"destination":)",
                         quoted(destination), R"(,"options":[)", options, "]}"));
  }
  void tmpfs(const std::string& destination, const std::string& options) {
    set("/mounts/-", cat(R"({"type":"tmpfs","source":"tmpfs","destination":)", quoted(destination), R"(,"options":[)",
                         options, "]}"));
  }
};

// The options of a mount point as the container sees it, from a line of `testbox confinement`.
std::string options_of(const std::string& facts, const std::string& point) {
  const std::string key = cat("mount=", point, " ");
  const auto at = facts.rfind("\n" + key);
  if (at == std::string::npos) return "absent";
  const auto from = at + 1 + key.size();
  return cat(",", facts.substr(from, facts.find(' ', from) - from), ",");
}

}  // namespace

#define EXPECT_OPTION(facts, point, option) \
  EXPECT_CONTAINS(options_of((facts), (point)), std::string(",") + option + ",")
#define EXPECT_NO_OPTION(facts, point, option)                                                                  \
  do {                                                                                                          \
    const std::string has_ = options_of((facts), (point));                                                      \
    cr_expect(has_.find(std::string(",") + option + ",") == std::string::npos, "%s: %s", option, has_.c_str()); \
  } while (false)

Test(mounts, a_directory_is_bound_and_its_destination_made) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.bind("/not/yet/there");
  box.sh("cat /not/yet/there/file && echo more >/not/yet/there/new");
  EXPECT_TEXT(box.run().out, "content\n");
  EXPECT_TEXT(read_file(box.source() + "/new"), "more\n");
}

Test(mounts, a_file_is_bound_on_a_file_that_is_made) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.bind("/new/file", R"("bind","ro")", box.source() + "/file");
  box.sh("cat /new/file; echo x 2>/dev/null >/new/file || echo refused");
  EXPECT_TEXT(box.run().out, "content\nrefused\n");
}

Test(mounts, a_relative_source_is_below_the_bundle) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "takes it below its current directory");
  Bind box;
  write_file(box.bundle() + "/data/file", "of the bundle\n");
  box.bind("/mnt", R"("rbind")", "data");
  box.sh("cat /mnt/file");
  EXPECT_TEXT(box.run().out, "of the bundle\n");
}

Test(mounts, are_made_in_their_order) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.tmpfs("/mnt", R"("mode=755")");
  box.bind("/mnt/inner");
  box.tmpfs("/mnt/inner/over", R"("mode=755")");
  make_directories(box.source() + "/over");
  box.sh("cat /mnt/inner/file; grep -c ' /mnt' /proc/self/mountinfo");
  EXPECT_TEXT(box.run().out, "content\n3\n");
}

Test(mounts, a_missing_source_is_refused) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.bind("/mnt", R"("rbind")", "/no/such/source");
  EXPECT_REFUSED(box.create(), "/no/such/source");
  EXPECT_NOTHING_LEFT(box);
}

Test(mounts, a_destination_of_the_wrong_type_is_refused) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.bind("/etc/passwd");  // a directory on a file
  EXPECT_REFUSED(box.create(), "/etc/passwd");
  EXPECT_NOTHING_LEFT(box);
}

Test(mounts, flags_of_a_bind_are_set) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.bind("/mnt", R"("bind","ro","nosuid","nodev","noexec")");
  box.testbox({"confinement"});
  const std::string out = box.run().out;
  for (const char* option : {"ro", "nosuid", "nodev", "noexec"}) EXPECT_OPTION(out, "/mnt", option);
}

Test(mounts, the_read_only_bind_does_not_change_its_source) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.bind("/mnt", R"("rbind","ro")");
  box.sh("touch /mnt/x 2>/dev/null || echo refused; sleep 1000");
  box.launch();
  cr_expect(box.says("refused"));
  write_file(box.source() + "/from-outside", "x");
  cr_expect(exists(box.source() + "/from-outside"));
}

Test(mounts, of_two_options_the_later_wins) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "remembers what was set first");
  Bind box;
  box.bind("/mnt", R"("bind","ro","rw","noexec","exec")");
  box.testbox({"confinement"});
  const std::string out = box.run().out;
  EXPECT_OPTION(out, "/mnt", "rw");
  EXPECT_NO_OPTION(out, "/mnt", "noexec");
}

Test(mounts, flags_of_a_tmpfs_and_its_data_are_set) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.tmpfs("/mnt", R"("nosuid","nodev","noexec","noatime","size=1m","mode=770","nr_inodes=100")");
  box.sh("/testbox confinement; stat -c 'mode=%a' /mnt");
  const std::string out = box.run().out;
  for (const char* option : {"nosuid", "nodev", "noexec", "noatime"}) EXPECT_OPTION(out, "/mnt", option);
  EXPECT_CONTAINS(out, "size=1024k");
  EXPECT_CONTAINS(out, "nr_inodes=100");
  if (judged() != Runc) EXPECT_LINE(out, "mode=770");  // it gives the tmpfs the mode of what it covers
}

Test(mounts, every_option_that_must_be_known_is) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "takes lazytime and its like for data of the file system");
  LIMITATION(Runc, "takes silent and its like for data of the file system");
  for (const char* option :
       {"async",       "atime",   "defaults",   "dev",           "diratime",    "dirsync",    "exec",     "iversion",
        "lazytime",    "loud",    "mand",       "noatime",       "nodev",       "nodiratime", "noexec",   "noiversion",
        "nolazytime",  "nomand",  "norelatime", "nostrictatime", "nosuid",      "private",    "relatime", "ro",
        "rprivate",    "rshared", "rslave",     "runbindable",   "rw",          "shared",     "silent",   "slave",
        "strictatime", "suid",    "sync",       "unbindable",    "nosymfollow", "symfollow"}) {
    Bind box;
    box.tmpfs("/mnt", quoted(option));
    box.sh("exit 3");
    const Ran ran = box.run();
    cr_expect(ran.status == 3, "%s: %d %s", option, ran.status, ran.err.c_str());
  }
}

Test(mounts, every_recursive_option_is_known) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "of this version knows no recursive options");
  LIMITATION(Crun, "lacks some of them");
  for (const char* option :
       {"rro", "rrw", "rnosuid", "rsuid", "rnodev", "rdev", "rnoexec", "rexec", "rnodiratime", "rdiratime", "rrelatime",
        "rnorelatime", "rnoatime", "ratime", "rstrictatime", "rnostrictatime", "rnosymfollow", "rsymfollow"}) {
    Bind box;
    box.bind("/mnt", cat(R"("rbind",)", quoted(option)));
    box.sh("exit 3");
    const Ran ran = box.run();
    cr_expect(ran.status == 3, "%s: %d %s", option, ran.status, ran.err.c_str());
  }
}

Test(mounts, a_recursive_option_reaches_the_mounts_below) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "of this version knows no recursive options");
  Bind box;
  make_directories(box.source() + "/below");
  cr_assert(mount("tmpfs", (box.source() + "/below").c_str(), "tmpfs", 0, nullptr) == 0);
  box.bind("/plain", R"("rbind","ro")");
  box.bind("/deep", R"("rbind","rro","rnosuid")");
  box.testbox({"confinement"});
  const std::string out = box.run().out;
  umount2((box.source() + "/below").c_str(), MNT_DETACH);
  EXPECT_OPTION(out, "/plain/below", "rw");
  EXPECT_OPTION(out, "/deep", "ro");
  EXPECT_OPTION(out, "/deep/below", "ro");
  EXPECT_OPTION(out, "/deep/below", "nosuid");
}

Test(mounts, a_bind_that_is_not_recursive_leaves_out_what_is_below) {
  REQUIRE_CONTAINERS();
  Bind box;
  make_directories(box.source() + "/below");
  cr_assert(mount("tmpfs", (box.source() + "/below").c_str(), "tmpfs", 0, nullptr) == 0);
  box.bind("/one", R"("bind")");
  box.bind("/all", R"("rbind")");
  box.testbox({"confinement"});
  const std::string out = box.run().out;
  umount2((box.source() + "/below").c_str(), MNT_DETACH);
  EXPECT_TEXT(options_of(out, "/one/below"), "absent");
  cr_expect(options_of(out, "/all/below") != "absent");
}

Test(mounts, data_on_a_bind_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions hand it to a kernel that ignores it");
  Bind box;
  box.bind("/mnt", R"("rbind","no-such-option=5")");
  EXPECT_REFUSED(box.create(), "no-such-option");
}

Test(mounts, an_option_that_nobody_knows_is_refused_by_the_file_system) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.tmpfs("/mnt", R"("no-such-option=5")");
  cr_expect(box.create().status != 0);
  if (judged() != Crun) EXPECT_NOTHING_LEFT(box);
}

Test(mounts, tmpcopyup_copies_contents_modes_and_owners) {
  REQUIRE_CONTAINERS();
  Bind box;
  write_file(box.rootfs() + "/data/deep/file", "copied\n", 0640);
  cr_expect(chown((box.rootfs() + "/data/deep/file").c_str(), 1000, 1001) == 0);
  make_link("deep/file", box.rootfs() + "/data/link");
  box.tmpfs("/data", R"("tmpcopyup")");
  box.sh(
      "stat -c '%a %u %g' /data/deep/file; cat /data/link; echo new >/data/deep/file; grep -c ' /data ' /proc/mounts");
  EXPECT_TEXT(box.run().out, "640 1000 1001\ncopied\n1\n");
  EXPECT_TEXT(read_file(box.rootfs() + "/data/deep/file"), "copied\n");
}

Test(mounts, a_tmpfs_without_mode_has_that_of_the_directory_it_covers) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "leaves 1777");
  Bind box;
  make_directories(box.rootfs() + "/data");
  chmod((box.rootfs() + "/data").c_str(), 0710);
  box.tmpfs("/data", R"("nosuid")");
  box.sh("stat -c %a /data");
  EXPECT_TEXT(box.run().out, "710\n");
}

Test(mounts, a_read_only_tmpfs_takes_what_is_mounted_below_it_first) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "makes it read-only at once");
  Bind box;
  box.tmpfs("/data", R"("ro","mode=755")");
  box.bind("/data/made/later");
  box.sh("cat /data/made/later/file; touch /data/x 2>/dev/null || echo refused");
  EXPECT_TEXT(box.run().out, "content\nrefused\n");
}

Test(mounts, a_read_only_dev_has_its_devices) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.set("/mounts/1/options", R"(["nosuid","strictatime","mode=755","size=65536k","ro"])");
  box.sh("touch /dev/x 2>/dev/null || echo refused; echo y >/dev/null && echo works");
  EXPECT_TEXT(box.run().out, "refused\nworks\n");
}

Test(mounts, the_usual_file_systems_are_there) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.set(
      "/mounts/-",
      R"({"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","ro"]})");
  box.sh("cut -d' ' -f2,3 /proc/mounts; cat /sys/fs/cgroup/cgroup.procs");
  const std::string out = box.run().out;
  for (const char* line : {"/proc proc", "/dev tmpfs", "/dev/pts devpts", "/dev/shm tmpfs", "/dev/mqueue mqueue",
                           "/sys sysfs", "/sys/fs/cgroup cgroup2"})
    EXPECT_LINE(out, line);
  EXPECT_LINE(out, "1");
}

Test(mounts, a_writable_cgroup_mount_holds_the_containers_group_alone) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.set("/mounts/-", R"({"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["rw"]})");
  box.sh(
      "mkdir /sys/fs/cgroup/child && rmdir /sys/fs/cgroup/child && echo made; [ -e /sys/fs/cgroup/runner ] || echo "
      "alone");
  EXPECT_TEXT(box.run().out, "made\nalone\n");
}

Test(mounts, a_destination_that_is_a_link_stays_inside) {
  REQUIRE_CONTAINERS();
  Bind box;
  make_directories(box.path() + "/outside");
  make_link(box.path() + "/outside", box.rootfs() + "/absolute");
  make_link("../../../../../../../../.." + box.path() + "/outside", box.rootfs() + "/relative");
  box.bind("/absolute");
  box.bind("/relative/deeper");
  box.sh("exit 0");
  box.run();  // inside the root or refused, never outside
  cr_expect(exists(box.path() + "/outside/deeper") == false);
  cr_expect(exists(box.path() + "/outside/file") == false);
}

Test(mounts, only_what_lxcfs_provides_may_be_mounted_inside_proc) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "guards nothing there");
  Bind box;
  box.bind("/proc/uptime", R"("bind")", box.source() + "/file");
  box.sh("cat /proc/uptime");
  EXPECT_TEXT(box.run().out, "content\n");
  for (const char* place :
       {"/proc/sys/kernel/core_pattern", "/proc/version", "/proc/self/attr/exec", "/proc/net/dev"}) {
    Bind bad;
    bad.bind(place, R"("bind")", bad.source() + "/file");
    bad.sh("true");
    const Ran ran = bad.create();
    cr_expect(ran.status != 0, "%s", place);
  }
}

Test(mounts, over_proc_only_a_procfs_may_be_mounted) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "guards nothing there");
  Bind box;
  box.bind("/proc");
  EXPECT_REFUSED(box.create(), "/proc");
  Bind other;
  other.tmpfs("/proc", R"("mode=755")");
  EXPECT_REFUSED(other.create(), "/proc");
}

Test(propagation, a_slave_root_sees_later_mounts_of_the_host_and_not_the_reverse) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "makes every mount private");
  Bind box;
  box.set("/linux/rootfsPropagation", quoted("rslave"));
  box.bind("/mnt", R"("rbind","rslave")");
  make_directories(box.source() + "/later");
  box.sh("while ! [ -e /mnt/later/there ]; do sleep 0.1; done; echo seen; exec sleep 1000");
  box.launch();
  cr_assert(mount("tmpfs", (box.source() + "/later").c_str(), "tmpfs", 0, nullptr) == 0);
  write_file(box.source() + "/later/there", "");
  cr_expect(box.says("seen"));
  umount2((box.source() + "/later").c_str(), MNT_DETACH);
}

Test(propagation, a_private_root_sees_no_later_mounts_of_the_host) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.set("/linux/rootfsPropagation", quoted("rprivate"));
  box.bind("/mnt", R"("rbind","rprivate")");
  make_directories(box.source() + "/later");
  box.sh("sleep 1000");
  box.launch();
  cr_assert(mount("tmpfs", (box.source() + "/later").c_str(), "tmpfs", 0, nullptr) == 0);
  write_file(box.source() + "/later/there", "");
  EXPECT_TEXT(box.exec({"/bin/ls", "/mnt/later"}).out, "");
  umount2((box.source() + "/later").c_str(), MNT_DETACH);
}

Test(propagation, of_a_mount_is_what_its_options_say) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "makes every mount private");
  Bind box;
  box.tmpfs("/shared", R"("mode=755","shared")");
  box.bind("/private", R"("rbind","rprivate")");
  box.bind("/slave", R"("rbind","rslave")");
  box.testbox({"confinement"});
  const std::string out = box.run().out;
  const auto line = [&out](const std::string& point) {
    const auto at = out.find("mount=" + point + " ");
    return at == std::string::npos ? std::string() : out.substr(at, out.find('\n', at) - at);
  };
  EXPECT_CONTAINS(line("/shared"), "SHARED");
  cr_expect(line("/private").find("SHARED") == std::string::npos && line("/private").find("SLAVE") == std::string::npos,
            "%s", line("/private").c_str());
  EXPECT_CONTAINS(line("/slave"), "SLAVE");
}

Test(propagation, an_unknown_one_of_the_root_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "takes it for private");
  Bind box;
  box.set("/linux/rootfsPropagation", quoted("nosuch"));
  EXPECT_REFUSED(box.create(), "nosuch");
}

Test(root, is_read_only_if_it_says_so) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.sh("touch /x 2>/dev/null && echo written || echo refused");
  EXPECT_TEXT(box.run().out, "written\n");
  box.set("/root/readonly", "true");
  EXPECT_TEXT(box.run().out, "refused\n");
}

Test(root, of_the_host_is_not_reachable) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.testbox({"confinement"});
  const std::string out = box.run().out;
  std::size_t roots = 0;
  for (std::size_t at = 0; (at = out.find("mount=/ ", at)) != std::string::npos; ++at) ++roots;
  cr_expect(roots == 1, "%zu mounts on /", roots);
  cr_expect(out.find("mount=" + box.path()) == std::string::npos);
}

Test(root, works_without_pivot_root) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.sh("ls / | grep -c testbox; cut -d' ' -f2 /proc/mounts | grep -c '^/$'");
  EXPECT_TEXT(box.run({"--no-pivot"}).out, "1\n1\n");
}

Test(root, that_is_a_link_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions follow it");
  Bind box;
  make_link("rootfs", box.bundle() + "/link");
  box.set("/root/path", quoted("link"));
  EXPECT_REFUSED(box.create(), "link");
}

Test(root, may_be_named_absolute) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.set("/root/path", quoted(box.rootfs()));
  box.sh("exit 4");
  EXPECT_STATUS(box.run(), 4);
}

Test(idmap, a_bind_shows_the_ids_of_its_own_mapping) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Runc, "of this version knows no idmapped mounts");
  LIMITATION(Crun, "of this version takes another form");
  Bind box;
  cr_expect(chown((box.source() + "/file").c_str(), 1234, 1235) == 0);
  box.set(
      "/mounts/-",
      cat(R"({"type":"bind","source":)", quoted(box.source()),
          R"(,"destination":"/mnt","options":["bind","idmap"],"uidMappings":[{"containerID":1234,"hostID":4000,"size":1}],)"
          R"("gidMappings":[{"containerID":1235,"hostID":5000,"size":1}]})"));
  box.sh("stat -c '%u %g' /mnt/file");
  EXPECT_TEXT(box.run().out, "4000 5000\n");
}

Test(idmap, a_bind_takes_the_mapping_of_the_container_if_it_has_none) {
  REQUIRE_CONTAINERS();
  REQUIRE(UserNamespaces);
  LIMITATION(Runc, "of this version knows no idmapped mounts");
  Bind box;
  box.user_namespace();
  box.bind("/mnt", R"("bind","idmap")");
  box.sh("stat -c '%u %g' /mnt/file");
  EXPECT_TEXT(box.run().out, "0 0\n");
}

Test(idmap, one_mapping_without_the_other_is_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun | Runc, "of these versions ignore it");
  Bind box;
  box.set(
      "/mounts/-",
      cat(R"({"type":"bind","source":)", quoted(box.source()),
          R"(,"destination":"/mnt","options":["bind","idmap"],"uidMappings":[{"containerID":0,"hostID":4000,"size":1}]})"));
  EXPECT_REFUSED(box.create(), "mapping");
}

Test(idmap, of_what_cannot_be_mapped_is_refused_and_never_mounted_plainly) {
  REQUIRE_CONTAINERS();
  LIMITATION(Runc, "of this version knows no idmapped mounts");
  LIMITATION(Crun, "of this version takes another form");
  Bind box;
  box.set(
      "/mounts/-",
      R"({"type":"bind","source":"/proc","destination":"/mnt","options":["bind","idmap"],)"
      R"("uidMappings":[{"containerID":0,"hostID":4000,"size":1}],"gidMappings":[{"containerID":0,"hostID":4000,"size":1}]})");
  EXPECT_REFUSED(box.create(), "idmap");
  EXPECT_NOTHING_LEFT(box);
}

Test(masks, files_are_empty_and_directories_too) {
  REQUIRE_CONTAINERS();
  Bind box;
  write_file(box.rootfs() + "/secret/file", "secret\n");
  write_file(box.rootfs() + "/plain", "secret\n");
  box.set("/linux/maskedPaths", R"(["/secret","/plain","/proc/keys","/no/such/path"])");
  if (is_convox()) box.set("/linux/maskedPaths/-", quoted("/plain/below"));
  box.sh("ls /secret | wc -l; cat /plain | wc -c; cat /proc/keys | wc -c; touch /secret/x 2>/dev/null || echo refused");
  const Ran ran = box.run();
  EXPECT_TEXT(ran.out, "0\n0\n0\nrefused\n");
}

Test(masks, a_file_shows_the_null_device) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.set("/linux/maskedPaths", R"(["/proc/timer_list"])");
  box.testbox({"confinement"});
  EXPECT_CONTAINS(fact(box.run().out, "mask_/proc/timer_list"), "null");
}

Test(masks, read_only_paths_cannot_be_written_whatever_is_below) {
  REQUIRE_CONTAINERS();
  Bind box;
  box.set("/process/capabilities/effective", at(box.config(), "/process/capabilities/bounding"));
  box.set("/linux/readonlyPaths", R"(["/proc/sys","/data","/no/such/path"])");
  make_directories(box.rootfs() + "/data");
  // The control: without it the same write succeeds.
  box.sh(
      "echo 7 >/proc/sys/net/ipv4/ip_default_ttl && echo written || echo refused; touch /data/x 2>/dev/null || echo "
      "refused");
  EXPECT_TEXT(box.run().out, "refused\nrefused\n");
  box.set("/linux/readonlyPaths", "[]");
  EXPECT_TEXT(box.run().out, "written\n");
}

Test(masks, without_a_mount_namespace_are_refused) {
  REQUIRE_CONTAINERS();
  LIMITATION(Crun, "would mount on the host");
  Bind box;
  box.namespace_of("mount");
  box.set("/mounts", "[]");
  box.set("/linux/maskedPaths", R"(["/proc/keys"])");
  EXPECT_REFUSED(box.create(), "mount");
  EXPECT_NOTHING_LEFT(box);
}
