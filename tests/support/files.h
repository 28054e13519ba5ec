// Files in tests, through libc: what the harness does must not depend on the code that it tests.
#pragma once
#include <string>
#include <string_view>

namespace convox::test {

std::string read_file(const std::string& path);                                            // empty if it cannot be read
void write_file(const std::string& path, std::string_view content, unsigned mode = 0644);  // makes its directories
void make_directories(const std::string& path);
bool is_directory(const std::string& path);
bool exists(const std::string& path);
// rm -rf --one-file-system: what is mounted below stays, and so do the directories that lead to it.
void remove_tree(const std::string& path);

}  // namespace convox::test
