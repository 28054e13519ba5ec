// The store's promises: what is published is found, what nobody names is swept, what is named stays.
#include "rootfs/store.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "runtime/base/fs.h"
#include "tests/unit/expect.h"
#include "tests/unit/temporary_directory.h"

using namespace convox;
using rootfs::Store;

namespace {

// A store of its own, gone at the end.
class Box {
 public:
  [[nodiscard]] std::string root() const { return directory_.path() + "/store"; }
  [[nodiscard]] Store store() const {
    auto store = Store::open(root());
    cr_assert(store.has_value(), "%s", store.error().text.c_str());
    return *std::move(store);
  }

 private:
  TemporaryDirectory directory_;
};

std::string digest(char digit) { return std::string(64, digit); }

void make_layer(const Store& store, const std::string& name) {
  const auto layers = store.layers();
  const auto layer = fs::make_and_open_directory(layers->get(), name, 0700);
  cr_assert(fs::make_and_open_directory(layer->get(), "fs", 0755).has_value());
}

rootfs::Image image_on(const std::vector<std::string>& layers, char id) {
  rootfs::Image image;
  image.id = digest(id);
  image.layers = layers;
  return image;
}

std::string names(int dir) {
  std::string all;
  const auto listed = fs::list(dir);
  for (const auto& name : *listed) all += name.substr(0, 6) + " ";
  return all;
}

}  // namespace

Test(store, finds_what_was_published_and_nothing_else) {
  const Box box;
  const Store store = box.store();
  make_layer(store, digest('1'));
  cr_assert(store.publish(image_on({digest('1')}, 'a')).has_value());
  cr_assert(store.image(digest('a')).has_value());
  cr_assert(store.layer(digest('1')).has_value());
  cr_assert(store.image(digest('b')).error().kind == Error::Kind::kNotFound);
  cr_assert(store.layer(digest('2')).error().kind == Error::Kind::kNotFound);
  cr_assert(store.layer("../images").error().kind == Error::Kind::kInvalid);
  cr_assert(store.list_images()->size() == 1);
}

Test(store, sweeps_what_nobody_names_and_keeps_the_rest) {
  const Box box;
  const Store store = box.store();
  for (const char digit : {'1', '2', '3'}) make_layer(store, digest(digit));
  make_layer(store, ".tmp-0123");
  cr_assert(store.publish(image_on({digest('1')}, 'a')).has_value());
  const auto swept = store.collect_garbage({digest('2')});
  cr_assert(swept.has_value(), "%s", swept.error().text.c_str());
  cr_assert(swept->layers == 1 && swept->temporaries == 1);
  expect_text(names(store.layers()->get()), "111111 222222 ");
}

Test(store, sweeps_nothing_while_a_record_cannot_be_read) {
  const Box box;
  const Store store = box.store();
  make_layer(store, digest('1'));
  cr_assert(fs::replace(store.images()->get(), digest('a') + ".json", "{", 0600, fs::Durable::kNo).has_value());
  cr_assert(store.collect_garbage({}).has_value() == false);
  expect_text(names(store.layers()->get()), "111111 ");
}

Test(store, lock_is_shared_by_readers_and_waited_for_by_a_sweep) {
  const Box box;
  const Store store = box.store();
  auto first = store.lock(Store::Lock::kShared);
  const auto second = store.lock(Store::Lock::kShared);
  cr_assert(first.has_value() && second.has_value());
  // Another open file cannot have it alone now, so whoever wants that has to wait.
  const auto other = fs::open(box.root() + "/store.lock", O_RDWR);
  cr_assert(sys::flock(other->get(), LOCK_EX | LOCK_NB) == -EWOULDBLOCK);
}

Test(store, lock_comes_to_the_one_who_waited) {
  const Box box;
  const Store store = box.store();
  cr_assert(store.lock(Store::Lock::kShared).has_value());
  int ends[2];
  cr_assert(pipe(ends) == 0);
  const pid_t holder = fork();
  if (holder == 0) {
    const auto other = open((box.root() + "/store.lock").c_str(), O_RDWR | O_CLOEXEC);
    const char held = flock(other, LOCK_EX) == 0 ? 'y' : 'n';
    if (write(ends[1], &held, 1) != 1) _exit(1);
    usleep(100'000);  // long enough that the other side finds it taken; nothing depends on how long
    _exit(0);
  }
  char held = 0;
  cr_assert(read(ends[0], &held, 1) == 1 && held == 'y');
  const auto mine = store.lock(Store::Lock::kShared);
  cr_assert(mine.has_value(), "%s", mine.error().text.c_str());
  const auto other = fs::open(box.root() + "/store.lock", O_RDWR);
  cr_assert(sys::flock(other->get(), LOCK_EX | LOCK_NB) == -EWOULDBLOCK, "the lock ended with the child that waited");
}

Test(store, is_refused_where_others_could_write) {
  const Box box;
  cr_assert(Store::open(box.root()).has_value());
  cr_assert(chmod(box.root().c_str(), 0777) == 0);
  cr_assert(Store::open(box.root()).has_value() == false);
}
