// A record is believed only as it was written.
#include "cli/app/record.h"

#include <criterion/criterion.h>
#include <fcntl.h>

#include <set>

#include "runtime/base/fs.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using namespace convox::app;

Test(record, the_checksum_is_crc_32c) {
  cr_assert(crc32c("123456789") == 0xe3069283u);  // the check value of the polynomial's catalogues
  cr_assert(crc32c("") == 0u);
}

Test(record, any_byte_that_changed_is_noticed) {
  const std::string sealed = seal("{\"version\":1,\"name\":\"web\"}");
  cr_assert(unseal(sealed, "it").has_value());
  for (std::size_t at = 0; at < sealed.size(); ++at) {
    std::string damaged = sealed;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    cr_assert(not(unseal(damaged, "it").has_value()), "byte %zu", at);
    cr_assert(not(unseal(sealed.substr(0, at), "it").has_value()), "cut at %zu", at);
  }
}

Test(record, a_damaged_one_is_moved_aside_and_a_newer_one_stays) {
  TemporaryDirectory box;
  cr_assert(fs::replace(box.fd(), "old.json", "{\"version\":1}", 0600, fs::Durable::kNo).has_value());
  const auto damaged = read_record(box.fd(), "old.json");
  cr_assert(not(damaged.has_value()));
  cr_assert(damaged.error().text.ends_with("moved aside as old.json.bad"), "%s", damaged.error().text.c_str());
  cr_assert(read_record(box.fd(), "old.json").error().kind == Error::Kind::kNotFound);

  cr_assert(write_record(box.fd(), "new.json", "{\"version\":2}").has_value());
  for (int time = 0; time < 2; ++time)
    cr_assert(read_record(box.fd(), "new.json").error().text == "new.json: a record of version 2, this convox reads 1");
}

Test(record, ids_are_a_kind_and_ten_letters_and_do_not_repeat) {
  std::set<std::string> seen;
  std::set<char> letters;
  for (int time = 0; time < 1000; ++time) {
    const std::string id = new_id('R');
    cr_assert(is_id('R', id), "%s", id.c_str());
    letters.insert(id.begin() + 1, id.end());
    seen.insert(id);
  }
  cr_assert(seen.size() == 1000u);
  cr_assert(letters.size() == 26u);
  for (const char* text : {"", "R", "RABCDEFGHI", "RABCDEFGHIJK", "BABCDEFGHIJ", "Rabcdefghij", "RABCDEFGHI1"})
    cr_assert(not(is_id('R', text)), "%s", text);
}
