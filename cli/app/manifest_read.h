// How do the nodes of convox.yml become services, timers, balancers and the rest, defaults filled in?
//
// Several keys have two or three spellings (a number, a text, a mapping); this is the last place that knows. What is
// wrong here is one error with its line; whether the parts fit together is manifest_validate.h's question.
#pragma once
#include <string>
#include <vector>

#include "cli/app/manifest.h"
#include "cli/app/manifest_fields.h"
#include "cli/app/manifest_yaml.h"

namespace convox::app {

Result<Manifest> read_manifest(const YamlNode& root);

// manifest_service.cc: what runs, as whom, on what, and how it ends.
Result<> read_service(Fields& fields, Service& into);
// manifest_network.cc: how many of it there are, and how the world reaches them.
Result<> read_network(Fields& fields, Service& into);
// `environment` of the app or of a service: a list of texts, or of lists of them (an anchored list put into another).
Result<> read_environment(const YamlNode& node, std::vector<std::string>& into);
// 8080 of `8080` or `"8080"`.
Result<int> read_port_number(const YamlNode& node);

}  // namespace convox::app
