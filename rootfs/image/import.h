// How does an image get into the store?
//
//   read the documents -> unpack every layer that is not there into a temporary -> one syncfs -> rename each to its
//   chain id
//   -> write the record, the commit point
// An import that fails or is stopped removes its temporaries, and publishes nothing. Two imports of one image may run
// side by side: the first rename wins, the other's copy is dropped. A shared lock keeps the garbage collector away.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "rootfs/image/reference.h"
#include "rootfs/store.h"

namespace convox::rootfs {

struct Imported {
  Image image;
  std::size_t reused = 0;  // layers that were there already
};

struct Listener {
  std::function<void(std::string_view)> warn;      // what was left out
  std::function<void(std::string_view)> progress;  // what is going on
};

Result<Imported> import_image(const Store& store, const Reference& reference, const Listener& listener);

}  // namespace convox::rootfs
