// What does every program expect in /dev?
#pragma once
namespace convox::runtime {

// Character devices.  config-linux.md of runtime-spec 1.3, "Default Devices"
struct UsualDevice {
  const char* name;
  unsigned major, minor;
};
inline constexpr UsualDevice kUsualDevices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                                {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
inline constexpr const char* kUsualLinks[][2] = {
    {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
    {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
};

}  // namespace convox::runtime
