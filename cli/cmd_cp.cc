#include "cli/cmd_cp.h"

#include "cli/containers_view.h"
#include "cli/output.h"
#include "runtime/container_files.h"
#include "runtime/container_root.h"
#include "runtime/copy_tree.h"
#include "runtime/signals.h"

namespace convox::cli {
namespace {

using runtime::Side;

// One of the two words behind `cp`.
struct Word {
  std::string container;  // empty: the host
  std::string path;
};

// ID:PATH, unless the word begins like a path: `./a:b` is a file of the host.
Result<Word> parse_word(const std::string& text) {
  if (text.empty()) return invalid("a path is empty");
  if (text == "-") return invalid("cp reads and writes no archives; a file of that name is ./-");
  const std::size_t colon = text.find(':');
  if (text[0] == '/' || text[0] == '.' || colon == text.npos || colon == 0) return Word{"", text};
  Word word{text.substr(0, colon), text.substr(colon + 1)};
  if (word.path.empty()) return invalid(cat(text, ": the path inside is missing"));
  if (word.path[0] != '/') return invalid("must specify absolute paths for processes");
  return word;
}

// A signal that asks us to end is an error like any other: what was half copied is removed.
Result<> interruption(int signals) {
  for (int signal = runtime::next_signal(signals); signal != 0; signal = runtime::next_signal(signals))
    if (runtime::asks_to_end(signal))
      return Error{Error::Kind::kInterrupted, signal, cat("interrupted by signal ", signal), {}};
  return ok();
}

void tell(const runtime::LeftOut& left_out) {
  if (left_out.count == 0) return;
  std::string names;
  for (const std::string& one : left_out.first) names += cat(names.empty() ? "" : ", ", one);
  warn(
      cat("not copied, since devices, sockets and the kernel's own files cannot be: ", names,
          left_out.count > left_out.first.size() ? cat(" and ", left_out.count - left_out.first.size(), " more") : ""));
}

Result<int> cp(const Invocation& invocation) {
  const Word from = TRY(parse_word(invocation.arguments[0]));
  const Word to = TRY(parse_word(invocation.arguments[1]));
  if (from.container.empty() == to.container.empty())
    return invalid("one of the two paths, and only one, must be inside a process: ID:PATH");
  const bool out = !from.container.empty();
  const Containers containers = TRY(open_containers(invocation));
  const runtime::Listed container = TRY(containers.find_or_service(invocation, out ? from.container : to.container));
  if (!out) TRY(runtime::check_running(container));
  const runtime::ContainerFiles files = TRY(runtime::open_files(containers.records, containers.host, container));

  const Side inside{files.root.get(), files.first_id, files.shifted}, host;
  const Side& here = out ? inside : host;
  const Side& there = out ? host : inside;
  const runtime::SignalWatch signals = TRY(runtime::SignalWatch::start());
  runtime::CopyWishes wishes;
  wishes.archive = invocation.flag("archive");
  wishes.go_on = [&] { return interruption(signals.fd()); };
  const std::string doing = cat("copying ", invocation.arguments[0], " to ", invocation.arguments[1]);
  runtime::LeftOut left_out;
  // Whose files it makes: ours on the host; inside those of the container's root, for no other id of the host has a
  // place there.
  const Result<> copied = runtime::as_container_root(out ? 0 : files.first_id, [&]() -> Result<> {
    const runtime::Source source = TRY(runtime::find_source(here, from.path, invocation.flag("follow-link")));
    const runtime::Target target = TRY(runtime::find_target(there, to.path, source));
    left_out = TRY(runtime::copy_tree(here, source, there, target, from.path, wishes));
    return ok();
  });
  if (!copied) return Error(copied.error()).under(doing);
  tell(left_out);
  return 0;
}

constexpr Option kCpOptions[] = {
    kAppOption,
    {"archive", 0, {}, "Keep owners, as the numbers that they are on each side, and set-user-id bits."},
    {"follow-link", 'L', {}, "If the source is a symbolic link, copy what it leads to."},
};

}  // namespace

const Command kCp = {
    .name = "cp",
    .arguments = "<[pid:]source> <[pid:]destination>",
    .summary = "copy files into a process, or out of it",
    .description =
        "Copies a file or a directory between the host and a process, which is named by its id, the\n"
        "beginning of one or a service. Paths inside are absolute. A directory that is there receives\n"
        "the source; a name that is not there becomes the copy. A source that ends in /. stands for\n"
        "what is in it. Modes and times are kept; on the host files belong to the caller, inside to\n"
        "root. Each file appears whole or not at all. Files of a finished process can be copied out,\n"
        "those of its volumes excepted. A path of the host that contains a colon is written ./a:b.",
    .options = kCpOptions,
    .minimum = 2,
    .maximum = 2,
    .run = cp};

}  // namespace convox::cli
