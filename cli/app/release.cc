#include "cli/app/release.h"

#include "cli/app/record.h"

namespace convox::app {

std::string to_json(const Release& release) {
  RecordWriter record;
  record.text("id", release.id);
  record.number("number", release.number);
  record.number("created", release.created);
  record.text("build", release.build);
  record.text("description", release.description);
  record.map("environment", release.environment);
  record.text("manifest", release.manifest);
  return record.end();
}

Result<> from_json(const json::Document& document, Release& release) {
  const RecordReader record(document);
  release.id = TRY(record.text("id"));
  release.number = TRY(record.number("number"));
  release.created = TRY(record.number("created"));
  release.build = TRY(record.text("build"));
  release.description = TRY(record.text("description"));
  release.environment = TRY(record.map("environment"));
  release.manifest = TRY(record.text("manifest"));
  return ok();
}

}  // namespace convox::app
