#include "runtime/systemd/bus.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace convox::systemd {
namespace {

constexpr const char* kName = "org.freedesktop.systemd1";
constexpr const char* kPath = "/org/freedesktop/systemd1";
constexpr const char* kInterface = "org.freedesktop.systemd1.Manager";
constexpr std::string_view kUnitExists = "org.freedesktop.systemd1.UnitExists";
constexpr std::string_view kNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";

std::uint64_t now() {
  timespec time{};
  sys::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

Result<> good(int result, std::string_view call) {
  if (result < 0) return os_error(call, "systemd", Errno(result));
  return ok();
}

struct Message {
  sd_bus_message* value = nullptr;
  Message() = default;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  ~Message() { sd_bus_message_unref(value); }
};

// What systemd said.
struct BusError {
  sd_bus_error value = SD_BUS_ERROR_NULL;
  BusError() = default;
  BusError(const BusError&) = delete;
  BusError& operator=(const BusError&) = delete;
  ~BusError() { sd_bus_error_free(&value); }
};

template <class Number>
Number number_of(const Variant& value) {
  Number number{};
  const bool hex = value.text.starts_with("0x");
  const char* const begin = value.text.data() + (hex ? 2 : 0);
  std::from_chars(begin, value.text.data() + value.text.size(), number, hex ? 16 : 10);
  return number;
}

template <class Number>
int append_number(sd_bus_message* to, const Variant& value) {
  const auto number = number_of<Number>(value);
  return sd_bus_message_append_basic(to, value.type[0], &number);
}

int append(sd_bus_message* to, const Variant& value);

int append_container(sd_bus_message* to, const Variant& value, char type, const std::string& contents) {
  int result = sd_bus_message_open_container(to, type, contents.c_str());
  for (const Variant& one : value.values)
    if (result >= 0) result = append(to, one);
  return result < 0 ? result : sd_bus_message_close_container(to);
}

int append(sd_bus_message* to, const Variant& value) {
  switch (value.type[0]) {
    case 'b': {
      const int truth = value.truth;
      return sd_bus_message_append_basic(to, 'b', &truth);
    }
    case 's':
    case 'o':
    case 'g':
      return sd_bus_message_append_basic(to, value.type[0], value.text.c_str());
    case 'y':
      return append_number<std::uint8_t>(to, value);
    case 'n':
      return append_number<std::int16_t>(to, value);
    case 'q':
      return append_number<std::uint16_t>(to, value);
    case 'i':
      return append_number<std::int32_t>(to, value);
    case 'u':
      return append_number<std::uint32_t>(to, value);
    case 'x':
      return append_number<std::int64_t>(to, value);
    case 't':
      return append_number<std::uint64_t>(to, value);
    case 'd': {
      double number = 0;
      std::from_chars(value.text.data(), value.text.data() + value.text.size(), number);
      return sd_bus_message_append_basic(to, 'd', &number);
    }
    case 'a':
      return append_container(to, value, SD_BUS_TYPE_ARRAY, value.type.substr(1));
    default:
      return append_container(to, value, SD_BUS_TYPE_STRUCT, value.type.substr(1, value.type.size() - 2));
  }
}

// a(sv)
int append(sd_bus_message* to, const std::vector<Property>& properties) {
  int result = sd_bus_message_open_container(to, SD_BUS_TYPE_ARRAY, "(sv)");
  for (const Property& one : properties) {
    if (result >= 0) result = sd_bus_message_open_container(to, SD_BUS_TYPE_STRUCT, "sv");
    if (result >= 0) result = sd_bus_message_append_basic(to, 's', one.name.c_str());
    if (result >= 0) result = sd_bus_message_open_container(to, SD_BUS_TYPE_VARIANT, one.value.type.c_str());
    if (result >= 0) result = append(to, one.value);
    if (result >= 0) result = sd_bus_message_close_container(to);
    if (result >= 0) result = sd_bus_message_close_container(to);
  }
  return result < 0 ? result : sd_bus_message_close_container(to);
}

std::string runtime_directory() {
  const char* named = ::getenv("XDG_RUNTIME_DIR");
  return named && *named ? named : cat("/run/user/", ::getuid());
}

struct Address {
  std::string text;
  bool daemon = false;  // a bus daemon listens there, not systemd
};

std::vector<Address> addresses(Manager manager) {
  if (manager == Manager::kSystem)
    return {{"unix:path=/run/systemd/private"}, {"unix:path=/run/dbus/system_bus_socket", true}};
  const std::string directory = runtime_directory();
  const char* session = ::getenv("DBUS_SESSION_BUS_ADDRESS");
  return {{cat("unix:path=", directory, "/systemd/private")},
          {session && *session ? session : cat("unix:path=", directory, "/bus"), true}};
}

}  // namespace

std::uint64_t Bus::left() const {
  const std::uint64_t time = now();
  return time < deadline_ ? deadline_ - time : 1;
}

Result<> Bus::connect(Manager manager) {
  Result<> done = ok();
  for (const Address& one : addresses(manager)) {
    bus_ = sd_bus_unref(bus_);
    TRY(good(sd_bus_new(&bus_), "sd_bus_new"));
    TRY(good(sd_bus_set_address(bus_, one.text.c_str()), "sd_bus_set_address"));
    TRY(good(sd_bus_set_bus_client(bus_, one.daemon), "sd_bus_set_bus_client"));
    const int started = sd_bus_start(bus_);
    done = started < 0 ? Result<>(os_error("connect", one.text, Errno(started))) : ok();
    if (started != -ENOENT && started != -ECONNREFUSED) break;
  }
  return done;
}

Result<> Bus::open(Manager manager, unsigned seconds) {
  deadline_ = now() + seconds * std::uint64_t{1'000'000};
  TRY(connect(manager), "connecting to systemd");
  TRY(good(sd_bus_match_signal(bus_, nullptr, nullptr, kPath, kInterface, "JobRemoved", job_removed, this),
           "sd_bus_match_signal"));
  // Without a listener systemd sends no signals over a bus daemon.
  Message call;
  TRY(good(sd_bus_message_new_method_call(bus_, &call.value, kName, kPath, kInterface, "Subscribe"), "sd_bus"));
  BusError ignored;  // AlreadySubscribed; and a connection that is none fails at the next call
  sd_bus_call(bus_, call.value, left(), &ignored.value, nullptr);
  return ok();
}

// The signal may come before the call's own answer, which names the job: so all are kept.
int Bus::job_removed(sd_bus_message* message, void* bus, sd_bus_error*) {
  std::uint32_t id = 0;
  const char *job = nullptr, *unit = nullptr, *result = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &job, &unit, &result) >= 0)
    static_cast<Bus*>(bus)->ended_.push_back({job, result});
  return 0;
}

Result<> Bus::await(const std::string& job, std::string_view doing) {
  for (;;) {
    const auto ended = std::find_if(ended_.begin(), ended_.end(), [&](const Ended& one) { return one.job == job; });
    if (ended != ended_.end())
      return ended->result == "done" ? ok() : Result<>(invalid(cat(doing, ": systemd says: ", ended->result)));
    const int processed = sd_bus_process(bus_, nullptr);
    TRY(good(processed, "sd_bus_process"), doing);
    if (processed > 0) continue;
    if (now() >= deadline_)
      return Error{Error::Kind::kSystem, ETIMEDOUT, cat(doing, ": systemd did not finish in time"), {}};
    const int waited = sd_bus_wait(bus_, left());
    if (waited != -EINTR) TRY(good(waited, "sd_bus_wait"), doing);
  }
}

// Two errors have names that callers tell apart: a unit that exists is EEXIST, one that does not is kNotFound.
Result<> Bus::perform(sd_bus_message* call, std::string_view doing) {
  BusError error;
  Message reply;
  const int done = sd_bus_call(bus_, call, left(), &error.value, &reply.value);
  if (done < 0) {
    const std::string_view name = error.value.name ? error.value.name : "";
    if (name.empty()) return os_error("sd_bus_call", doing, Errno(done));
    Error said = invalid(cat(doing, ": systemd says: ", error.value.message ? error.value.message : name));
    if (name == kUnitExists) said.code = EEXIST;
    if (name == kNoSuchUnit) said.kind = Error::Kind::kNotFound;
    return said;
  }
  const char* job = nullptr;
  if (!sd_bus_message_has_signature(reply.value, "o")) return ok();
  TRY(good(sd_bus_message_read(reply.value, "o", &job), "sd_bus_message_read"), doing);
  return await(job, doing);
}

Result<> Bus::start_once(const std::string& unit, const std::vector<Property>& properties) {
  Message call;
  int made = sd_bus_message_new_method_call(bus_, &call.value, kName, kPath, kInterface, "StartTransientUnit");
  if (made >= 0) made = sd_bus_message_append(call.value, "ss", unit.c_str(), "replace");
  if (made >= 0) made = append(call.value, properties);
  if (made >= 0) made = sd_bus_message_append(call.value, "a(sa(sv))", 0);
  TRY(good(made, "sd_bus_message_append"));
  return perform(call.value, cat("starting ", unit));
}

Result<> Bus::start_scope(const std::string& unit, const std::vector<Property>& properties) {
  Result<> started = start_once(unit, properties);
  if (started || started.error().code != EEXIST) return started;
  TRY(reset_failed(unit));
  return start_once(unit, properties);
}

Result<> Bus::reset_failed(const std::string& unit) {
  Message call;
  int made = sd_bus_message_new_method_call(bus_, &call.value, kName, kPath, kInterface, "ResetFailedUnit");
  if (made >= 0) made = sd_bus_message_append(call.value, "s", unit.c_str());
  TRY(good(made, "sd_bus_message_append"));
  Result<> done = perform(call.value, cat("resetting ", unit));
  if (!done && done.error().kind == Error::Kind::kNotFound) return ok();
  return done;
}

// To stop a unit is to ask its processes politely and to wait for a minute and a half.
Result<> Bus::stop(const std::string& unit) {
  Message kill, call;
  int made = sd_bus_message_new_method_call(bus_, &kill.value, kName, kPath, kInterface, "KillUnit");
  if (made >= 0) made = sd_bus_message_append(kill.value, "ssi", unit.c_str(), "all", SIGKILL);
  if (made >= 0) made = sd_bus_message_new_method_call(bus_, &call.value, kName, kPath, kInterface, "StopUnit");
  if (made >= 0) made = sd_bus_message_append(call.value, "ss", unit.c_str(), "replace");
  TRY(good(made, "sd_bus_message_append"));
  (void)perform(kill.value, cat("killing ", unit));  // nobody to kill is an error there
  Result<> done = perform(call.value, cat("stopping ", unit));
  if (!done && done.error().kind != Error::Kind::kNotFound) return done;
  return reset_failed(unit);
}

Result<> Bus::set(const std::string& unit, const std::vector<Property>& properties) {
  if (properties.empty()) return ok();
  Message call;
  int made = sd_bus_message_new_method_call(bus_, &call.value, kName, kPath, kInterface, "SetUnitProperties");
  if (made >= 0) made = sd_bus_message_append(call.value, "sb", unit.c_str(), 1);
  if (made >= 0) made = append(call.value, properties);
  TRY(good(made, "sd_bus_message_append"));
  return perform(call.value, cat("changing ", unit));
}

}  // namespace convox::systemd
