#include "cli/app/build.h"

#include "cli/app/record.h"

namespace convox::app {
namespace {

Result<BuildRecord::Status> status_named(std::string_view name) {
  for (const auto status :
       {BuildRecord::Status::kRunning, BuildRecord::Status::kComplete, BuildRecord::Status::kFailed})
    if (name == name_of(status)) return status;
  return invalid(cat("no such status: ", name));
}

}  // namespace

const char* name_of(BuildRecord::Status status) {
  switch (status) {
    case BuildRecord::Status::kRunning:
      return "running";
    case BuildRecord::Status::kComplete:
      return "complete";
    case BuildRecord::Status::kFailed:
      break;
  }
  return "failed";
}

std::string to_json(const BuildRecord& build) {
  RecordWriter record;
  record.text("id", build.id);
  record.number("number", build.number);
  record.text("status", name_of(build.status));
  record.text("description", build.description);
  record.number("started", build.started);
  record.number("ended", build.ended);
  record.text("manifest", build.manifest);
  record.map("images", build.images);
  return record.end();
}

Result<> from_json(const json::Document& document, BuildRecord& build) {
  const RecordReader record(document);
  build.id = TRY(record.text("id"));
  build.number = TRY(record.number("number"));
  const std::string status = TRY(record.text("status"));
  build.status = TRY(status_named(status));
  build.description = TRY(record.text("description"));
  build.started = TRY(record.number("started"));
  build.ended = TRY(record.number("ended"));
  build.manifest = TRY(record.text("manifest"));
  build.images = TRY(record.map("images"));
  return ok();
}

}  // namespace convox::app
