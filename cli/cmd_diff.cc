#include "cli/cmd_diff.h"

#include <fcntl.h>

#include "cli/containers_view.h"
#include "cli/output.h"
#include "cli/text.h"
#include "runtime/base/fs.h"
#include "runtime/changes.h"
#include "runtime/container_files.h"

namespace convox::cli {
namespace {

Result<int> diff(const Invocation& invocation) {
  const Containers containers = TRY(open_containers(invocation));
  const runtime::Listed container = TRY(containers.find_or_service(invocation, invocation.arguments[0]));
  const std::string doing = cat("comparing process ", container.record.id, " with its image");
  const UniqueFd storage = TRY(runtime::open_storage(containers.records, container.record), doing);
  const UniqueFd upper = TRY(fs::open_beneath(storage.get(), "upper", O_RDONLY | O_DIRECTORY), doing);
  const UniqueFd image = TRY(runtime::open_image_files(containers.records, container.record), doing);
  std::string text;
  for (const runtime::Change& change : TRY(runtime::find_changes(upper.get(), image.get()), doing))
    text += cat(static_cast<char>(change.kind), " ", escaped(change.path), "\n");
  TRY(print(text));
  return 0;
}

constexpr Option kAppOnly[] = {kAppOption};

}  // namespace

const Command kDiff = {.name = "diff",
                       .arguments = "<process or service>",
                       .summary = "list the files that a process changed",
                       .description =
                           "Lists what a process added (A), changed (C) and deleted (D) in the file system of its\n"
                           "image, by path. A directory in which something changed is listed as changed. A finished\n"
                           "process is compared as well, as long as its files are kept. Volumes are not compared.",
                       .options = kAppOnly,
                       .minimum = 1,
                       .maximum = 1,
                       .run = diff};

}  // namespace convox::cli
