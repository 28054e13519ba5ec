// How is a manual page written? In the man(7) macros, by these few.
#pragma once
#include <string>
#include <string_view>

namespace convox::manual {

// Text of a table as roff input: a hyphen of an option is a minus, and a line may not begin like a request. What
// stands between backquotes is what one types.  groff_char(7), man(7)
std::string roff(std::string_view text);
std::string bold(std::string_view text);
std::string italic(std::string_view text);

// From the title line to the NAME; `number` is the manual's section.
std::string head(const std::string& name, int number, std::string_view summary);
std::string section(std::string_view name);
std::string item(const std::string& tag, std::string_view text);  // `tag` is roff already

}  // namespace convox::manual
