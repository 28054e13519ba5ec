// What else do objects call that were compiled with glibc's headers, and musl does not have?
//
// The printing functions that _FORTIFY_SOURCE puts in the place of the plain ones: they know how large the buffer
// is, and end the program before it overflows. Debian's libseccomp, libcap and libyaml call them. And makedev(3), which
// is a function in glibc and a macro in musl.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

extern "C" {
int __snprintf_chk(char* to, std::size_t most, int flag, std::size_t size, const char* format, ...);
int __sprintf_chk(char* to, int flag, std::size_t size, const char* format, ...);
int __fprintf_chk(FILE* to, int flag, const char* format, ...);
int __asprintf_chk(char** to, int flag, const char* format, ...);
unsigned gnu_dev_major(unsigned long long device);
unsigned gnu_dev_minor(unsigned long long device);
unsigned long long gnu_dev_makedev(unsigned major, unsigned minor);
int vasprintf(char** to, const char* format, va_list arguments);

int __snprintf_chk(char* to, std::size_t most, int /*flag*/, std::size_t size, const char* format, ...) {
  if (most > size) abort();
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(to, most, format, arguments);
  va_end(arguments);
  return length;
}

int __sprintf_chk(char* to, int /*flag*/, std::size_t size, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vsnprintf(to, size, format, arguments);
  va_end(arguments);
  if (length >= 0 && static_cast<std::size_t>(length) >= size) abort();
  return length;
}

int __fprintf_chk(FILE* to, int /*flag*/, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vfprintf(to, format, arguments);
  va_end(arguments);
  return length;
}

int __asprintf_chk(char** to, int /*flag*/, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int length = vasprintf(to, format, arguments);
  va_end(arguments);
  return length;
}

// The halves of a number lie around one another: 12 bits of the major between 8 and 12 of the minor, the rest above.
unsigned gnu_dev_major(unsigned long long device) {
  return static_cast<unsigned>((device >> 32 & 0xfffff000) | (device >> 8 & 0xfff));
}
unsigned gnu_dev_minor(unsigned long long device) {
  return static_cast<unsigned>((device >> 12 & 0xffffff00) | (device & 0xff));
}
unsigned long long gnu_dev_makedev(unsigned major, unsigned minor) {
  const unsigned long long high = major, low = minor;
  return (high & 0xfffff000) << 32 | (high & 0xfff) << 8 | (low & 0xffffff00) << 12 | (low & 0xff);
}
}
