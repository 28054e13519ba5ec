// How does the output of a detached container lie on disk?
//
//   ROOT/apps/<app>/logs/<id>/process.json     who wrote it: runtime/log_store.h
//                             00000001.log     segments, numbered as they were begun; the oldest are removed
//
// A segment is a SegmentHead and then records, each a RecordHead and `size` bytes. One writer: the keeper, or whoever
// holds the container's claim while there is none. Nothing is ever moved or renamed, so a reader that follows holds
// descriptors and misses nothing: a segment that was removed under it can still be read to its end, and a record of
// Kind::kContinued stands there.
//
// A record holds what one read(2) of a pipe gave, stamped when it was read: lines are the reader's business
// (runtime/log_reader.h). So the writer copies each byte once, however short the lines are. A record is complete or
// ends its segment: what a crash tore is cut off by the next writer, and what a full disk tore, by the keeper itself.
#pragma once
#include <cstdint>

namespace convox::log {

inline constexpr std::uint32_t kSegmentMagic = 0x6c787663;  // "cvxl"
inline constexpr std::uint32_t kRecordMark = 0xa5c1;
inline constexpr std::uint32_t kLargestRecord = 64 * 1024;  // bytes behind the head

struct SegmentHead {
  std::uint32_t magic = kSegmentMagic, version = 1;
  std::uint64_t number = 0;   // also the file's name: eight decimal digits
  std::uint64_t written = 0;  // bytes of records in all segments before this one, to tell how much a late reader missed
};

enum class Kind : std::uint8_t {
  kOutput = 1,  // what came from standard output, or from the terminal
  kError,       // what came from standard error
  kStarted,     // no bytes: the payload runs, for the first time or again
  kEnded,       // an Exit
  kSystem,      // a line of ours, without its newline
  kDropped,     // a std::uint64_t: so many bytes could not be written
  kContinued,   // no bytes: the next segment goes on
};

struct RecordHead {
  std::uint32_t size = 0;
  std::uint16_t mark = kRecordMark;
  Kind kind = Kind::kOutput;
  std::uint8_t continues = 0;  // 1: it goes on with a line of its stream that an earlier record began
  std::int64_t time = 0;       // nanoseconds since 1970, never less than the record before it
};

// How a payload ended. Also the content of ROOT/containers/<id>/exit, which exists, all zero, from before the payload
// runs: overwriting 56 bytes in place needs no space, so that even on a full disk the status is kept.
struct Exit {
  std::uint32_t magic = 0;  // kExitMagic once it has ended
  std::int32_t code = 0;    // exit status, or -1 if a signal ended it
  std::int32_t signal = 0;
  std::uint32_t timed_out = 0;     // it outlived its --timeout
  std::uint64_t oom_kills = 0;     // in its cgroup
  std::uint64_t oom_at_limit = 0;  // its own limit was reached, not the host's memory exhausted
  std::uint64_t memory_limit = 0;  // bytes; 0: none
  std::int64_t time = 0;           // nanoseconds since 1970
  std::uint64_t reserved = 0;
};
inline constexpr std::uint32_t kExitMagic = 0x65787663;  // "cvxe"

static_assert(sizeof(SegmentHead) == 24 && sizeof(RecordHead) == 16 && sizeof(Exit) == 56);

}  // namespace convox::log
