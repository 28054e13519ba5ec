// What happens where the standard library would throw?
//
// The programs are built without exceptions, but libstdc++ is not: its containers call these functions when memory is
// gone or an index is wrong, and what it has behind them, with all that unwinding, demangling and translating needs, is
// ninety kilobytes of a static program. Nobody could catch what they throw; so the program says what it was and
// ends, as it would have. Linked in front of libstdc++, they take its place.
#include <stdlib.h>
#include <string.h>

#include <new>

#include "runtime/base/sys.h"

namespace {

[[noreturn]] void give_up(const char* what) noexcept {
  convox::sys::write(2, what, strlen(what));
  convox::sys::write(2, "\n", 1);
  abort();
}

[[maybe_unused]] void* allocate(std::size_t size) noexcept {
  void* memory = malloc(size > 0 ? size : 1);
  if (!memory) give_up("out of memory");
  return memory;
}

}  // namespace

namespace std {
void __throw_bad_alloc() { give_up("out of memory"); }
void __throw_bad_array_new_length() { give_up("an array that no memory can hold"); }
void __throw_bad_function_call() { give_up("a call of nothing"); }
void __throw_length_error(const char* what) { give_up(what); }
void __throw_logic_error(const char* what) { give_up(what); }
void __throw_invalid_argument(const char* what) { give_up(what); }
void __throw_out_of_range(const char* what) { give_up(what); }
void __throw_out_of_range_fmt(const char* what, ...) { give_up(what); }
void __glibcxx_assert_fail(const char*, int, const char*, const char* what) noexcept { give_up(what); }
}  // namespace std

// The first use of a local static, where no second thread can be at its first use too.
extern "C" int __cxa_guard_acquire(const char* done) { return *done == 0; }
extern "C" void __cxa_guard_release(char* done) { *done = 1; }
extern "C" void __cxa_guard_abort(char*) {}
extern "C" void __cxa_pure_virtual() { give_up("a call of nothing"); }

#ifndef __SANITIZE_ADDRESS__  // which wants to see each kind of new and delete itself
void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return malloc(size > 0 ? size : 1); }
void operator delete(void* memory) noexcept { free(memory); }
void operator delete[](void* memory) noexcept { free(memory); }
void operator delete(void* memory, std::size_t) noexcept { free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { free(memory); }
#endif
