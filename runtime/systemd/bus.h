// How does one ask systemd for something, and wait until it is done?
//
// Over its own socket if there is one: no bus daemon stands in between, and none need run. systemd answers a request
// with a job; that the job is over is a signal, JobRemoved. Everything here has one deadline, counted from the opening.
// org.freedesktop.systemd1(5), sd-bus(3).
#pragma once
#include <systemd/sd-bus.h>

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/systemd/property.h"

namespace convox::systemd {

enum class Manager { kSystem, kUser };

class Bus {
 public:
  Bus() = default;
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  ~Bus() { sd_bus_flush_close_unref(bus_); }

  Result<> open(Manager manager, unsigned seconds);
  // A scope with this process in it. A failed one of the same name is forgotten first.
  Result<> start_scope(const std::string& unit, const std::vector<Property>& properties);
  // Kills what is in it, stops it and forgets that it failed. Success if there is none.
  Result<> stop(const std::string& unit);
  // Until the next boot.
  Result<> set(const std::string& unit, const std::vector<Property>& properties);

 private:
  struct Ended {
    std::string job, result;
  };
  static int job_removed(sd_bus_message* message, void* bus, sd_bus_error* error);
  Result<> connect(Manager manager);
  // What is left of the time, in microseconds; at least one.
  [[nodiscard]] std::uint64_t left() const;
  // The call's answer is a job, which this waits for, or nothing.
  Result<> perform(sd_bus_message* call, std::string_view doing);
  Result<> await(const std::string& job, std::string_view doing);
  Result<> start_once(const std::string& unit, const std::vector<Property>& properties);
  Result<> reset_failed(const std::string& unit);

  sd_bus* bus_ = nullptr;
  std::uint64_t deadline_ = 0;  // CLOCK_MONOTONIC, microseconds
  std::vector<Ended> ended_;    // jobs, also those of others
};

}  // namespace convox::systemd
