// What does the manual page of convox-oci say? The same as its --help, from the same tables, and more of it.
#pragma once
#include <string>

namespace convox::manual {

// convox-oci(8): one page, as its readers are engines' administrators and look for one verb or flag.
std::string oci_page();

}  // namespace convox::manual
