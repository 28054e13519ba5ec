// What is a release?
//
// A build and an environment under one name, and the convox.yml they belong to. A release never changes: every deploy
// and every `env set` makes a new one, which begins as a copy of the newest and then differs in one thing. Exactly one
// release of an app is active, the one that `run` uses; app_store.h keeps which.
#pragma once
#include <cstdint>
#include <string>

#include "cli/app/environment.h"
#include "runtime/base/json.h"

namespace convox::app {

struct Release {
  static constexpr char kKind = 'R';
  static constexpr const char* kFolder = "releases";
  static constexpr const char* kNoun = "release";

  std::string id;            // R and ten letters
  std::int64_t number = 0;   // 1, 2, 3: the order of making. A clock can be set back, this cannot.
  std::int64_t created = 0;  // seconds since 1970
  std::string build;         // the id of its build; empty while nothing was built
  std::string description;
  Environment environment;
  std::string manifest;  // the text of convox.yml
};

std::string to_json(const Release& release);
Result<> from_json(const json::Document& document, Release& release);

}  // namespace convox::app
