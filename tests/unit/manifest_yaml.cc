// YAML becomes a tree with line numbers, and nothing hostile in it becomes large, deep or ambiguous.
#include "cli/app/manifest_yaml.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/unit/expect.h"

using namespace convox;
using namespace convox::app;

namespace {

// {a: [1, "2"]} as text again: quoted scalars in quotes, a null as ~.
std::string shown(const YamlNode& node) {
  std::string text;
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "~";
    case YamlNode::Kind::kScalar:
      return node.quoted ? cat("'", node.text, "'") : node.text;
    case YamlNode::Kind::kSequence:
      for (const YamlNode& item : node.items) text += cat(text.empty() ? "" : ", ", shown(item));
      return cat("[", text, "]");
    case YamlNode::Kind::kMapping:
      for (const YamlEntry& entry : node.entries)
        text += cat(text.empty() ? "" : ", ", entry.key, ": ", shown(entry.value));
      return cat("{", text, "}");
  }
  return text;
}

std::string parsed(std::string_view text) {
  const auto root = parse_yaml(text);
  return root ? shown(*root) : root.error().text;
}

std::string repeated(std::string_view text, int count) {
  std::string made;
  while (count-- > 0) made += text;
  return made;
}

}  // namespace

Test(yaml, becomes_a_tree_in_the_order_of_the_file) {
  expect_text(parsed("b: 1\na: [x, 'y', ~, null]\nc: {d: e}\n"), "{b: 1, a: [x, 'y', ~, ~], c: {d: e}}");
  expect_text(parsed(""), "~");
  expect_text(parsed("# only a comment\n"), "~");
  expect_text(parsed("a: !!str 5\n"), "{a: '5'}");
}

Test(yaml, knows_its_lines) {
  const auto root = parse_yaml("a: 1\n\nb:\n  c: x\n");
  cr_assert(root.has_value());
  cr_assert(root->entries[1].line == 3);
  cr_assert(root->entries[1].value.entries[0].value.line == 4);
}

Test(yaml, expands_aliases_and_merges_with_the_mapping_s_own_keys_first) {
  expect_text(parsed("a: &x {k: 1, l: 2}\nb:\n  <<: *x\n  k: 3\nc: *x\n"),
              "{a: {k: 1, l: 2}, b: {k: 3, l: 2}, c: {k: 1, l: 2}}");
  expect_text(parsed("a: &x {k: 1}\nb: &y {k: 2, m: 3}\nc: {<<: [*x, *y]}\n"),
              "{a: {k: 1}, b: {k: 2, m: 3}, c: {k: 1, m: 3}}");
  expect_text(parsed("a: {<<: 5}\n"), "yaml: line 1: map merge requires map or sequence of maps as the value");
}

Test(yaml, that_two_readers_could_read_differently_is_refused) {
  expect_text(parsed("a: 1\nb: 2\na: 3\n"), "yaml: line 3: key \"a\" twice");
  expect_text(parsed("a: 1\n---\nb: 2\n"), "yaml: line 2: a second document");
  expect_text(parsed("a: !ruby/object:Gem 1\n"), "yaml: line 1: the tag !ruby/object:Gem has no meaning here");
  expect_text(parsed("[a, b]: 1\n"), "yaml: line 1: a key that is not a word");
  expect_text(parsed("a: *nobody\n"), "yaml: line 1: unknown anchor 'nobody' referenced");
  expect_text(parsed("a: &x [*x]\n"), "yaml: line 1: unknown anchor 'x' referenced");
  expect_text(parsed("a: \"\\0\"\n"), "yaml: line 1: a NUL character");
}

Test(yaml, syntax_errors_name_their_line) {
  expect_text(parsed("a: 1\n b: 2\n"), "yaml: line 2: mapping values are not allowed in this context");
  expect_text(parsed("a: [1\n"), "yaml: line 2: did not find expected ',' or ']'");
  cr_assert(parsed("a: \xff\n").starts_with("yaml: line 1: "));
  cr_assert(parsed("\xff\xfe"
                   "a")
                .starts_with("yaml: line 1: "));
}

Test(yaml, has_limits_that_aliases_do_not_get_around) {
  cr_assert(parsed(cat(repeated("[", 64), repeated("]", 64))).starts_with("["));
  expect_text(parsed(cat(repeated("[", 65), repeated("]", 65))), "yaml: line 1: nested more than 64 deep");
  expect_text(parsed(repeated("[", 100'000)), "yaml: line 1: nested more than 64 deep");
  cr_assert(parsed(cat("[", repeated("a,", 9'999), "]")).starts_with("[a"));
  expect_text(parsed(cat("[", repeated("a,", 10'000), "]")), "yaml: line 1: more than 10000 values, aliases included");
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) bomb += cat("a", i, ": &a", i, " [", repeated(cat("*a", i - 1, ","), 10), "]\n");
  cr_assert(parsed(bomb).ends_with("more than 10000 values, aliases included"));
  const std::string heavy = cat("a: &a ", repeated("x", 200'000), "\nb: [", repeated("*a,", 10), "]\n");
  expect_text(parsed(heavy), "yaml: line 2: more than 1048576 bytes, aliases included");
  expect_text(parsed(repeated("#", 1'048'577)), "yaml: more than 1048576 bytes");
}

Test(yaml, numbers_and_truths_are_plain_words) {
  const auto root = parse_yaml("[12, -3, '12', 012, 1.5, yes, off, 'true', abc]");
  cr_assert(root.has_value());
  const std::optional<std::int64_t> numbers[] = {12, -3, {}, {}, {}, {}, {}, {}, {}};
  const std::optional<bool> truths[] = {{}, {}, {}, {}, {}, true, false, {}, {}};
  for (std::size_t i = 0; i < root->items.size(); ++i) {
    cr_expect(root->items[i].integer() == numbers[i], "%zu", i);
    cr_expect(root->items[i].boolean() == truths[i], "%zu", i);
  }
}
