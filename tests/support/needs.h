// What must the machine offer for this test to mean something?
//
// REQUIRE(Root | CgroupControllers), first in a test (a skip runs no destructors), says which of them is missing. scripts/run-tests counts skips
// and lists their reasons; in the VM of `make test-vm` nothing is missing.
#pragma once
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string>

namespace convox::test {

enum Needs : unsigned {
  Root = 1 << 0,
  CgroupV2 = 1 << 1,           // a cgroup v2 hierarchy in which we may make groups
  CgroupControllers = 1 << 2,  // and cpu, memory, pids, io and cpuset in it
  UserNamespaces = 1 << 3,     // may be made, and overlay layers idmapped (Linux 5.19)
  PrivateNamespaces = 1 << 4,  // the test runs under scripts/private, so it may change mounts and links
  Strace = 1 << 5,             // strace(1)
  Umoci = 1 << 6,              // umoci(1), the judge of unpacked images
};
constexpr Needs operator|(Needs a, Needs b) {
  return static_cast<Needs>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

// "cgroup v2 controllers (memory)" or empty.
std::string missing(Needs needs);

}  // namespace convox::test

#define REQUIRE(needs)                                            \
  do {                                                            \
    using namespace ::convox::test;                               \
    const std::string missing_ = ::convox::test::missing(needs);  \
    if (!missing_.empty()) cr_skip("needs %s", missing_.c_str()); \
  } while (false)

// eq(str, ...) wants char pointers that live as long as the assertion.
#define EXPECT_TEXT(actual, expected)                                                                       \
  do {                                                                                                      \
    const std::string actual_ = (actual), expected_ = (expected);                                           \
    cr_expect(actual_ == expected_, "%s is\n%s\nand not\n%s", #actual, actual_.c_str(), expected_.c_str()); \
  } while (false)
#define EXPECT_CONTAINS(actual, part)                                                                       \
  do {                                                                                                      \
    const std::string actual_ = (actual), part_ = (part);                                                   \
    cr_expect(actual_.find(part_) != std::string::npos, "%s is\n%s\nwithout\n%s", #actual, actual_.c_str(), \
              part_.c_str());                                                                               \
  } while (false)
#define EXPECT_STATUS(ran, expected)                                                                         \
  do {                                                                                                       \
    const ::convox::test::Ran& ran_ = (ran);                                                                 \
    cr_expect(ran_.status == (expected), "status %d, not %d; stdout: %s; stderr: %s", ran_.status, expected, \
              ran_.out.c_str(), ran_.err.c_str());                                                           \
  } while (false)
#define EXPECT_NOTHING_LEFT(box)                                 \
  do {                                                           \
    const std::string left_ = (box).leftovers();                 \
    cr_expect(left_.empty(), "left behind:\n%s", left_.c_str()); \
  } while (false)
