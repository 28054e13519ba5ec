#include "runtime/keeper_plan.h"

#include "runtime/security/keeper_filter.h"

namespace convox::runtime {
namespace {

std::string_view filter_for(keeper::Mode mode) {
  switch (mode) {
    case keeper::Mode::kKeep:
      return security::keeper_filter();
    case keeper::Mode::kWatch:
      return security::watcher_filter();
    case keeper::Mode::kMind:  // it executes convox, which may do everything
      break;
  }
  return {};
}

}  // namespace

std::string print(keeper::Plan plan, const std::vector<std::string>& argv,
                  const std::vector<std::string>& environment) {
  const std::string_view filter = filter_for(plan.mode);
  std::string texts;
  for (const auto* list : {&argv, &environment})
    for (const std::string& text : *list) texts.append(text.c_str(), text.size() + 1);
  static_assert(sizeof(keeper::Plan) % 8 == 0);  // so that the filter behind it is aligned
  plan.filter = {sizeof plan, static_cast<std::uint32_t>(filter.size())};
  plan.mind.argc = static_cast<std::uint32_t>(argv.size());
  plan.mind.envc = static_cast<std::uint32_t>(environment.size());
  plan.mind.texts_at = plan.filter.at + plan.filter.size;
  plan.mind.texts_size = static_cast<std::uint32_t>(texts.size());
  plan.size = plan.mind.texts_at + plan.mind.texts_size;
  std::string block(reinterpret_cast<const char*>(&plan), sizeof plan);
  block += filter;
  block += texts;
  return block;
}

void go_on(keeper::Keep& keep, const LogTail& tail) {
  keep.segment = tail.segment.get();
  keep.number = tail.number;
  keep.oldest = tail.oldest;
  keep.used = tail.used;
  keep.written = tail.written;
  keep.last = tail.last;
}

}  // namespace convox::runtime
