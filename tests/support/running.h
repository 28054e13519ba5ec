// A container that stands still while a test does something to it.
//
//   Running inside(app, "mkdir /x", "ls /x");      returns when the first script has been run
//   app.convox({"cp", "file", inside.id + ":/x"});
//   EXPECT_TEXT(inside.says(), "file\n");          runs the second one, to the end
#pragma once
#include <dirent.h>

#include "tests/support/app.h"

namespace convox::test {

class Running {
 public:
  // The scripts are for /bin/sh of one and the same process, PID 1.
  Running(App& app, const std::string& before, const std::string& after = "", std::vector<std::string> flags = {})
      : program_(start(app, before, after, flags)) {
    cr_assert(program_.expect("ready\n"), "the container did not start");
    if (DIR* all = opendir((app.state() + "/c").c_str())) {
      while (const dirent* entry = readdir(all))
        if (entry->d_name[0] != '.') id = entry->d_name;
      closedir(all);
    }
    const std::string record = read_file(app.state() + "/c/" + id + "/state.json");
    const std::size_t at = record.find("\"pid\":");
    cr_assert(at != record.npos, "no record of %s", id.c_str());
    pid = std::stoi(record.substr(at + 6));
  }
  ~Running() {
    if (!ended_) says();
  }

  std::string says() {
    ended_ = true;
    program_.close_input();
    const Ran ran = program_.wait();
    EXPECT_STATUS(ran, 0);
    return ran.out.substr(std::min(ran.out.size(), ran.out.find("ready\n") + 6));
  }

  std::string id;
  int pid = 0;

 private:
  static Program start(App& app, const std::string& before, const std::string& after,
                       const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"run"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    arguments.insert(arguments.end(),
                     {"web", cat(before.empty() ? ":" : before, "\necho ready; read go\n", after, "\nexit 0")});
    Start how;
    how.keep_input_open = true;
    how.limit = std::chrono::seconds(120);
    return app.start_convox(arguments, how);
  }

  Program program_;
  bool ended_ = false;
};

}  // namespace convox::test
