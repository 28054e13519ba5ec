#include "runtime/oci/words.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include <cctype>

#include "runtime/oci/mount_plan.h"

namespace convox::oci {
namespace {

using runtime::Words;

std::string kinds_text(std::uint64_t kinds) {
  std::string text;
  for (const Kind kind : kKinds)
    if (kinds & flag_of(kind)) text += cat(text.empty() ? "" : ", ", file_of(kind));
  return text.empty() ? "none" : text;
}

Words of(const WriteState&) {
  return {"write the container's state", "whoever finds it after a crash can undo everything that follows",
          "rename(2)"};
}
Words of(const MakeCgroup& step) {
  std::string deed = cat("make the cgroup ", step.path);
  std::string values;
  for (const auto& [file, value, optional] : step.settings) values += cat(values.empty() ? "" : ", ", file, "=", value);
  if (!values.empty()) deed += cat(" with ", values);
  return {deed, "limits are in force before the first process is born into it", "cgroups(7)"};
}
Words of(const FilterDevices& step) {
  return {cat("attach a filter of ", step.rules.size(), " device rules"),
          "cgroup v2 has no file for them: a program is asked at every open and mknod", "bpf(2)"};
}
Words of(const MakeGate&) {
  return {"make the gate", "a socket that `start` connects to: it hears what became of the execve", "unix(7)"};
}
Words of(const SealPrograms&) {
  return {"seal the stage and its plan in memory",
          "what the container can reach is an unreadable copy, never this program: CVE-2019-5736", "memfd_create(2)"};
}
Words of(const CloneChild& step) {
  std::string deed = cat("clone into new namespaces: ", kinds_text(step.namespaces));
  for (const Namespace& one : step.joined) deed += cat("; join ", one.path);
  return {deed, "one call: the child never runs in a namespace or cgroup that it should not have", "clone3(2)"};
}
Words of(const CloneInto& step) {
  return {cat("clone into the container: ", kinds_text(step.namespaces)),
          "only the PID namespace of our children changes; the child joins the others in one call, by pidfd",
          "setns(2)"};
}
Words of(const WriteIdMaps&) {
  return {"map the ids of its user namespace", "its root is another user of the host's", "user_namespaces(7)"};
}
Words of(const LetStageBegin&) {
  return {"let the child execute the stage", "an execve by an id without a mapping would drop every capability",
          "write(2)"};
}
Words of(const OpenRoot& step) {
  return {cat("open the root ", step.path, " as a mount"), "a copy of its mount, which no path shows", "open_tree(2)"};
}
Words of(const OpenBind& step) {
  return {
      cat("open ", step.mount.source.empty() ? "its own cgroup" : step.mount.source, " for ", step.mount.destination),
      "on the host side, before anything in the container can move its path", "open_tree(2)"};
}
Words of(const CopyUp& step) {
  return {cat("make a tmpfs with what the root has at ", step.mount.destination), "tmpcopyup", "fsopen(2)"};
}
Words of(const MakeDevices&) {
  return {"make /dev", "the root's own /dev is never read or followed: CVE-2025-31133", "mknod(2)"};
}
Words of(const OpenNode& step) {
  return {cat("open the host's ", step.device.path), "a user namespace cannot make nodes", "open_tree(2)"};
}
Words of(const OpenNotify&) {
  return {"make a place for its notify socket", "`start` listens there until the payload says READY=1", "unix(7)"};
}
Words of(const AwaitStage&) {
  return {"wait for the stage's hello", "from here on it has memory of its own, and a limit on it cannot hit us",
          "ppoll(2)"};
}
Words of(const SetOomScore& step) {
  return {cat("set its OOM score to ", step.value), "from outside: the stage's own file is closed to it", "proc(5)"};
}
Words of(const SetAffinity& step) {
  return {cat("let it run on processors ", step.processors.empty() ? "of its cgroup" : step.processors),
          "who is born into a cgroup keeps the mask of its parent", "sched_setaffinity(2)"};
}
Words of(const LimitMemory& step) {
  return {cat("limit its memory: ", step.setting.file, "=", step.setting.value),
          "while it shared our memory the OOM killer would have taken us too", "write(2)"};
}
Words of(const DelegateCgroup&) {
  return {"give its cgroup to its root", "it may make groups of its own", "cgroups(7)"};
}
Words of(const JoinResctrl&) { return {"put it into a resctrl group", "asked for", "write(2)"}; }
Words of(const MoveNetDevices& step) {
  std::string names;
  for (const NetDevice& device : step.devices) names += cat(names.empty() ? "" : ", ", device.host_name);
  return {cat("move into its network: ", names), "asked for", "rtnetlink(7)"};
}
Words of(const StateCreated&) {
  return {"write its process into the state", "from here on `delete` can end it", "rename(2)"};
}
Words of(const HandOver&) {
  return {"hand the mounts to the stage", "descriptors cannot be redirected, paths can", "sendmsg(2)"};
}
Words of(const AwaitHooks&) { return {"wait until all mounts are made", "hooks may add to them", "recvmsg(2)"}; }
Words of(const RunHooks& step) {
  return {cat("run ", step.created ? "prestart" : "createRuntime", " hooks"), "asked for", "execve(2)"};
}
Words of(const LetStageGoOn&) { return {"let the stage go on", "all is ready", "write(2)"}; }
Words of(const AwaitCreated&) {
  return {"wait until it is at its gate", "all that can fail before the execve has been done", "recvmsg(2)"};
}
Words of(const AwaitPayload&) {
  return {"wait until the command runs", "its execve closes the socket; a failure says its step and errno first",
          "recvmsg(2)"};
}
Words of(const WritePidFile&) { return {"write the pid file", "whoever waits for it finds it whole", "rename(2)"}; }

struct Explain {
  const runtime::StagePlan& plan;
  Errno error;
  std::uint32_t detail;

  Error operator()(const stage::FindCommand&) const { return command(); }
  Error operator()(const stage::Execute&) const { return command(); }
  Error operator()(const stage::ChangeDirectory& step) const { return directory_error(plan.view(step.path), error); }
  Error operator()(const stage::MakeDirectory& step) const { return directory_error(plan.view(step.path), error); }
  Error operator()(const stage::RunHook& step) const {
    if (detail == 0) return Error{Error::Kind::kSystem, error.value, lower_words(error), {}}.under(deed(step));
    return invalid(status_text(detail)).under(deed(step));
  }
  template <class Step>
  Error operator()(const Step& step) const {
    return runtime::explain_failure(step, plan, error, detail).under(deed(step));
  }

 private:
  [[nodiscard]] std::string deed(const stage::Step& step) const { return runtime::words(step, plan).deed; }
  [[nodiscard]] Error command() const {
    return command_error(plan.argv.empty() ? std::string_view() : std::string_view(plan.argv[0]), error);
  }
};

}  // namespace

Words words(const HostStep& step) {
  return std::visit([](const auto& deed) { return of(deed); }, step);
}

std::string lower_words(Errno error) {
  const char* text = ::strerrordesc_np(error.value);
  std::string words = text ? text : cat("errno ", error.value);
  words[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(words[0])));
  return words;
}

Error command_error(std::string_view command, Errno error) {
  const bool has_path = command.find('/') != std::string_view::npos;
  if (error.value == ENOENT || error.value == ENOTDIR) {
    const std::string why =
        has_path ? cat("stat ", command, ": ", lower_words(error)) : "executable file not found in $PATH";
    return Error{Error::Kind::kNoCommand, error.value, cat("exec: \"", command, "\": ", why), {}};
  }
  const std::string what = has_path ? cat("exec ", command) : cat("exec: \"", command, "\"");
  return Error{Error::Kind::kNotExecutable, error.value, cat(what, ": ", lower_words(error)), {}};
}

Error directory_error(std::string_view directory, Errno error) {
  return Error{Error::Kind::kSystem,
               error.value,
               cat("chdir to cwd (\"", directory, "\") set in config.json failed: ", lower_words(error)),
               {}};
}

std::string status_text(std::uint32_t status) {
  const int code = static_cast<int>(status);
  if (WIFSIGNALED(code)) return cat("killed by signal ", WTERMSIG(code));
  return cat("exit status ", WEXITSTATUS(code));
}

Error explain_stage(const stage::Step& step, const runtime::StagePlan& plan, Errno error, std::uint32_t detail) {
  return std::visit(Explain{plan, error, detail}, step);
}

}  // namespace convox::oci
