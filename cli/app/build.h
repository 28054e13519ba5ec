// What is a build?
//
// What a convox.yml was turned into: an image for every service. Its record is written before the work begins, with the
// status `running`; beside it lies its log, `<id>.log`, which the builder holds locked. Whoever can take that lock of a
// build that says `running` knows that its builder is gone, and reads it as failed. So a killed build needs no repair.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "cli/app/environment.h"
#include "runtime/base/json.h"

namespace convox::app {

struct BuildRecord {
  static constexpr char kKind = 'B';
  static constexpr const char* kFolder = "builds";
  static constexpr const char* kNoun = "build";
  enum class Status { kRunning, kComplete, kFailed };

  std::string id;           // B and ten letters
  std::int64_t number = 0;  // the order of making
  Status status = Status::kRunning;
  std::string description;
  std::int64_t started = 0, ended = 0;  // seconds since 1970; 0: not yet
  std::string manifest;                 // the text of convox.yml
  Environment images;                   // service -> image id
};

const char* name_of(BuildRecord::Status status);

std::string to_json(const BuildRecord& build);
Result<> from_json(const json::Document& document, BuildRecord& build);

}  // namespace convox::app
