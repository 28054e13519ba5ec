// One container under judgement: its bundle, its state root, its cgroup, and the runtime called on it.
//
//   Test(process, runs_as_the_user_of_the_config) {
//     REQUIRE_CONTAINERS();
//     Container box;
//     box.set("/process/user", R"({"uid":1000,"gid":1001})");
//     box.testbox({"confinement"});
//     EXPECT_LINE(box.run().out, "uids=1000 1000 1000");
//   }
//
// The bundle holds rootfs/ with busybox (its applets as links in /bin), /testbox and an empty proc, sys, dev, tmp, and
// a config.json that every runtime can run without a cgroup controller: own pid, network, ipc, uts, mount and cgroup
// namespaces, the usual mounts, fourteen capabilities, no_new_privs, no resources. What a test is about, it sets.
// Every call gets --root, --log and --log-format json. When convox-oci is judged, every call but a foreground run or
// exec is also held to rules 1 and 2 of its contract: silence on success; one JSON object in the log and one line on
// stderr on failure. The destructor deletes by force. Read next: runtime.h, json.h.
#pragma once
#include <signal.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/cat.h"
#include "tests/oci/support/json.h"
#include "tests/oci/support/runtime.h"
#include "tests/support/census.h"
#include "tests/support/files.h"
#include "tests/support/needs.h"
#include "tests/support/program.h"
#include "tests/support/wait.h"

namespace convox::test {

using Words = std::vector<std::string>;
using convox::cat;

class Container {
 public:
  Container();
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string bundle() const { return path_ + "/bundle"; }
  [[nodiscard]] std::string rootfs() const { return bundle() + "/rootfs"; }
  [[nodiscard]] std::string root() const { return path_ + "/root"; }  // --root
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] std::string cgroup() const { return "/sys/fs/cgroup/" + id_; }

  // The config: JSON text put at a JSON pointer ("/mounts/-" appends), taken away, or replaced as a whole.
  void set(const std::string& pointer, const std::string& json);
  void erase(const std::string& pointer);
  void set_config(std::string text) { config_ = std::move(text); }
  [[nodiscard]] const std::string& config() const { return config_; }
  void args(const Words& words);
  void sh(const std::string& script) { args({"/bin/sh", "-c", script}); }
  void testbox(Words words);  // args: /testbox WORDS...
  // Removes the namespace of this type from the list; with a path, joins that one.
  void namespace_of(const std::string& type, const std::string& path = {});
  // A new user namespace with this mapping of 65,536 ids from `first`; the root file system is given to them.
  void user_namespace(unsigned first = 100000);
  // Written by run() and create() themselves.
  void write_config();

  // RUNTIME --root .. --log .. VERB ARGUMENTS. What is only started is held to no contract, and may be started by
  // another program, which `how.argv` names.
  Ran call(Words words, Start how = {});
  Program start_call(Words words, Start how = {});
  // Global flags before the verb, and nothing else but --root.
  Ran bare(Words words, Start how = {});

  // Foreground: `run FLAGS --bundle B ID`.
  Ran run(Words flags = {}, Start how = {});
  // VERB FLAGS --bundle B ID with files as stdio, as conmon does: `out()` and `err()` are what the container wrote.
  Ran detached(const std::string& verb, const Words& flags = {}, Start how = {});
  Program start_detached(const std::string& verb, const Words& flags = {}, Start how = {});
  Ran create(Words flags = {}, Start how = {}) { return detached("create", flags, std::move(how)); }
  // create and start; the status of the first that failed.
  Ran launch(Words flags = {});
  Ran start() { return call({"start", id_}); }
  Ran state() { return call({"state", id_}); }
  Ran exec(Words command, Words flags = {}, Start how = {});
  // exec --process FILE with this JSON.
  Ran exec_process(const std::string& json, Words flags = {}, Start how = {});
  [[nodiscard]] std::string out() const { return read_file(path_ + "/out"); }
  [[nodiscard]] std::string err() const { return read_file(path_ + "/err"); }
  [[nodiscard]] std::string log() const { return read_file(path_ + "/log"); }
  // "created", "running" ..., "absent" when there is no such container.
  std::string status();
  int pid();
  // Reaps the container's first process, which must have become this process's child; its status as Ran's, or -1.
  int reap(int pid);
  bool says(const std::string& text);  // waits until out() contains it
  bool stops();                        // waits until the status is stopped (or the container is gone)

  // /sys/fs/cgroup/ID/FILE without its last newline, "absent" if there is none.
  [[nodiscard]] std::string limit(const std::string& file) const;

  // Mounts, links, processes, cgroups and the state root: what was not there when the box was made, or when remember()
  // was last called.
  [[nodiscard]] std::string leftovers() const;
  void remember() { before_ = census(); }

 private:
  [[nodiscard]] Census census() const;
  Words words_for(Words words) const;
  void hold_to_contract(const Words& words, const Ran& ran);

  std::string path_, id_, config_;
  Census before_;
};

// The value behind KEY= in the lines of `testbox confinement`, or "absent".
std::string fact(const std::string& lines, const std::string& key);
bool has_line(const std::string& lines, const std::string& line);

// Receives a terminal as --console-socket sends it.  oci-runtime: "Console"
class ConsoleSocket {
 public:
  explicit ConsoleSocket(const std::string& path);
  ~ConsoleSocket();
  ConsoleSocket(const ConsoleSocket&) = delete;
  ConsoleSocket& operator=(const ConsoleSocket&) = delete;
  // The descriptor that came with the first connection, or -1; `payload` is the text beside it.
  int receive(std::string* payload = nullptr);

 private:
  int listener_ = -1;
};
// Reads from `fd` until the text appears or ten seconds are over; everything read.
std::string read_until(int fd, const std::string& text);

// A process in namespaces of its own (unshare(1) with these flags), for as long as the object lives.
class Neighbour {
 public:
  explicit Neighbour(Words flags, const std::string& kind);
  [[nodiscard]] int pid() const { return program_->pid(); }
  [[nodiscard]] std::string path() const;  // /proc/PID/ns/KIND
  [[nodiscard]] std::string link() const;  // "net:[4026531840]"

 private:
  std::unique_ptr<Program> program_;
  std::string kind_;
};
std::string link_text(const std::string& path);
void make_link(const std::string& target, const std::string& path);

}  // namespace convox::test

#define EXPECT_LINE(text, line)                                                                  \
  do {                                                                                           \
    const std::string text_ = (text), line_ = (line);                                            \
    const bool there_ = ::convox::test::has_line(text_, line_);                                  \
    cr_expect(there_, "%s lacks the line\n%s\nand is\n%s", #text, line_.c_str(), text_.c_str()); \
  } while (false)
#define EXPECT_FACT(text, key, value) EXPECT_TEXT(::convox::test::fact((text), (key)), (value))
#define EXPECT_AT(json, pointer, value)                                                                          \
  do {                                                                                                           \
    const std::string json_ = (json), value_ = (value), is_ = ::convox::test::at(json_, pointer);                \
    cr_expect(is_ == value_, "%s is %s and not %s in\n%s", pointer, is_.c_str(), value_.c_str(), json_.c_str()); \
  } while (false)
// A verb that fails: status 1 and these words where convox-oci is judged, any failure otherwise.
#define EXPECT_REFUSED(ran, words) EXPECT_TEXT(::convox::test::not_refused((ran), (words)), "")

namespace convox::test {
// Empty if the verb was refused as it must be; otherwise what is wrong. The words match in any case of their letters.
std::string not_refused(const Ran& ran, const std::string& words);
}  // namespace convox::test
