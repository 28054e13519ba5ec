// Which system calls does a command make, and how is each of them made to fail in turn?
//
// A clean run of a MODE=faults program tells of every call (runtime/base/faults.h); a walk runs the command again for
// each point and each fault. Workers walk side by side, each in private namespaces, where its census sees nothing of
// the others: they are the test program again, with other arguments.
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/cat.h"
#include "tests/support/files.h"
#include "tests/support/program.h"

namespace convox::test {

struct Point {
  std::string who, call;
  int number = 0;  // the so many-th of this name in this process
  [[nodiscard]] std::string fault(std::string_view what) const { return cat(who, ":", call, ":", number, ":", what); }
};

inline std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> list;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
}
inline std::vector<std::string> lines(const std::string& text) { return split(text, '\n'); }

// From the log of a clean run, a line "WHO CALL" for each call.
inline std::vector<Point> points_in(const std::string& log) {
  std::map<std::string, int> seen;
  std::vector<Point> points;
  for (const std::string& line : lines(log)) {
    const std::size_t blank = line.find(' ');
    if (line.substr(blank + 1) == "umask") continue;  // umask(2) always succeeds, so nobody asks
    points.push_back({line.substr(0, blank), line.substr(blank + 1), ++seen[line]});
  }
  return points;
}

// What a confinement report of testbox says, without what differs from one start to the next and says nothing about
// confinement: names and numbers of this container, and the inodes of its pipes and namespaces.
inline std::string masked(const std::string& confinement) {
  std::string text;
  for (std::string line : lines(confinement)) {
    std::erase(line, '\r');
    for (const char* key : {"pid=", "sid=", "pgrp="})  // an exec's: 1 is checked elsewhere
      if (line.starts_with(key) && !line.ends_with("=1")) line = key;
    if (line.starts_with("cgroup=0::/exec-")) line = "cgroup=0::/exec-<hex>";
    for (const char* key : {"hostname=", "env=HOSTNAME="})
      if (line.starts_with(key)) line = cat(key, "<id>");
    if (line.starts_with("uid_map=") || line.starts_with("gid_map=")) line = line.substr(0, line.find_first_of(" \t"));
    if (const std::size_t inode = line.find(":["); inode != std::string::npos) line.resize(inode);
    text += line + "\n";
  }
  return text;
}

// What a worker has seen; the last line that it prints.
struct Tally {
  int runs = 0, leftovers = 0, hangs = 0, weaker = 0, defects = 0;
  void print() const { printf("walked %d %d %d %d %d\n", runs, leftovers, hangs, weaker, defects); }
  // Adds what a worker that has ended printed. Its defects in words, or how the worker itself failed.
  std::string add(const Ran& ran) {
    const std::size_t last = std::min(ran.out.rfind("walked "), ran.out.size());
    Tally one;
    const int read = sscanf(ran.out.c_str() + last, "walked %d %d %d %d %d", &one.runs, &one.leftovers, &one.hangs,
                            &one.weaker, &one.defects);
    runs += one.runs, leftovers += one.leftovers, hangs += one.hangs, weaker += one.weaker, defects += one.defects;
    if (ran.status == 0 && read == 5) return ran.out.substr(0, last);
    return cat("a worker ended with status ", ran.status, ": ", ran.out, ran.err);
  }
};

// Of CONVOX_FAULT_FORMS, those that begin so.
inline bool is_asked_for(std::string_view form) {
  const char* asked = getenv("CONVOX_FAULT_FORMS");
  return !asked || form.starts_with(asked);
}

// The work of number `number` of `workers`: in each form, whose calls LOGS/name tells, the points whose turn it is.
template <class Walker, class Forms>
void visit_in_turn(Walker& walker, const Forms& forms, std::size_t number, std::size_t workers,
                   const std::string& logs) {
  const char* asked = getenv("CONVOX_FAULT_WALK");
  const std::vector<std::string> faults = split(asked ? asked : "ENOMEM EPERM kill", ' ');
  for (const auto& form : forms) {
    if (!is_asked_for(form.name)) continue;
    walker.begin(form);
    const std::vector<Point> points = points_in(read_file(cat(logs, "/", form.name)));
    for (std::size_t turn = number; turn * form.step < points.size(); turn += workers)
      for (const std::string& fault : faults) walker.visit(points[turn * form.step], fault);
  }
  walker.tally.print();
}

// Starts `count` workers: this program with `worker NUMBER` and `more`.
inline std::vector<Program> start_workers(int count, const std::vector<std::string>& more, std::chrono::seconds limit) {
  char self[4096] = {};
  if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return {};
  std::vector<Program> workers;
  for (int number = 0; number < count; ++number) {
    Start how{.argv = {getenv("CONVOX_PRIVATE_PROGRAM"), self, "worker", cat(number)}, .limit = limit};
    how.argv.insert(how.argv.end(), more.begin(), more.end());
    for (char** variable = environ; *variable; ++variable)
      if (strncmp(*variable, "BXF", 3) != 0) how.environment.emplace_back(*variable);  // or it is taken for a test
    workers.emplace_back(how);
  }
  return workers;
}

}  // namespace convox::test
