// Tables look as scripts of Convox's users expect them.
#include "cli/table.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "tests/unit/expect.h"

using namespace convox::cli;

Test(table, has_two_blanks_between_columns_and_none_behind_the_last) {
  Table table = {"ID", "NAME", "RELEASE", "CPU", "MEM", "STARTED", "COMMAND"};
  table.add({"551967b75abd", "web", "RHQZEJZFCSD", "0.39%", "21.04%", "2 hours ago", "rails server -b 0.0.0.0"});
  table.add({"62942430327e", "worker", "RHQZEJZFCSD", "0.00%", "30.35%", "2 hours ago", "sidekiq"});
  expect_text(table.text(),
              "ID            NAME    RELEASE      CPU    MEM     STARTED      COMMAND\n"
              "551967b75abd  web     RHQZEJZFCSD  0.39%  21.04%  2 hours ago  rails server -b 0.0.0.0\n"
              "62942430327e  worker  RHQZEJZFCSD  0.00%  30.35%  2 hours ago  sidekiq\n");
}

Test(table, without_rows_is_its_header) { expect_text(Table({"APP", "STATUS"}).text(), "APP  STATUS\n"); }

Test(table, keeps_the_blanks_before_an_empty_last_cell) {
  Table table = {"APP", "STATUS", "RELEASE"};
  table.add({"app2", "creating", ""});
  expect_text(table.text(), "APP   STATUS    RELEASE\napp2  creating  \n");
}

Test(table, counts_columns_of_the_terminal_and_escapes_cells) {
  Table table = {"A", "B"};
  table.add({"\xe6\x97\xa5\xe6\x9c\xac", "x"});
  table.add({"\x1b", "y"});
  expect_text(table.text(), "A     B\n\xe6\x97\xa5\xe6\x9c\xac  x\n\\x1b  y\n");
}

Test(table, cuts_its_last_column_at_the_terminals_width) {
  Table table = {"ID", "COMMAND"};
  table.add({"551967b75abd", "rails server -b 0.0.0.0"});
  table.add({"62942430327e", "sidekiq"});
  expect_text(table.text(30), "ID            COMMAND\n551967b75abd  rails server -..\n62942430327e  sidekiq\n");
  expect_text(table.text(5), "ID            COMMAND\n551967b75abd  rails ..\n62942430327e  sidekiq\n");
}

Test(info, continues_values_of_several_lines_at_the_value_column) {
  Info info;
  info.add("Id", "release1");
  info.add("Description", "");
  info.add("Env", "FOO=bar\nBAZ=quux");
  expect_text(info.text(), "Id           release1\nDescription  \nEnv          FOO=bar\n             BAZ=quux\n");
}
