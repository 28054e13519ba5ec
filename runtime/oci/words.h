// What do the steps of convox-oci's host side say for themselves, and what is said where one fails?
//
// As runtime/words.h. Where engines look for words in an error, it has those words and nothing in front of them: a
// command or a working directory that is not there, or may not be used.
#pragma once
#include <string>
#include <string_view>

#include "runtime/oci/plan.h"
#include "runtime/words.h"

namespace convox::oci {

runtime::Words words(const HostStep& step);

// "permission denied": the errno's words as Go spells them.
std::string lower_words(Errno error);

// Which deed of the stage failed, by its place in stage::Step.
template <class Step>
constexpr std::uint32_t deed_number() {
  return static_cast<std::uint32_t>(stage::Step(Step{}).index());
}

// `command` could not be found or executed. kNoCommand or kNotExecutable.
Error command_error(std::string_view command, Errno error);
Error directory_error(std::string_view directory, Errno error);

// What the stage reported of a step of `plan`; `detail` is a Difference, or a hook's status as of wait(2).
Error explain_stage(const stage::Step& step, const runtime::StagePlan& plan, Errno error, std::uint32_t detail);
// "exit status 3", "killed by signal 9"
std::string status_text(std::uint32_t status);

}  // namespace convox::oci
