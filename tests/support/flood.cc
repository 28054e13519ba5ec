// The payload of scripts/log-flood, and its judge.
//
//   flood write COUNT RATE          prints "flood N" for N from 1 to COUNT (0: without end), RATE lines a second
//   flood check FILE...             reads what `convox logs` printed, a follower a file (or pipe), all at once
//   flood check --tail FILE...      the same of readers that came late: a process may begin with any number
//
// Of each process the numbers must go up by one; after "started" they begin anew. Times must not go back. What a kill
// tore is the beginning of the line that would have come, and nothing of that process comes behind it but a new start.
// "N bytes missed" and the like are no fault of the log but of the reader's speed: the halves of lines beside it are
// torn, too. They are counted, and fail.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

// --- write -----------------------------------------------------------------------------------------------------------

void put(const char* bytes, size_t size) {
  while (size > 0) {
    const ssize_t written = write(1, bytes, size);
    if (written < 0) exit(1);
    bytes += written, size -= static_cast<size_t>(written);
  }
}

// A hundred portions a second.
int write_flood(char** words) {
  const unsigned long count = words[0] ? strtoul(words[0], nullptr, 10) : 0;
  const unsigned long rate = words[0] && words[1] ? strtoul(words[1], nullptr, 10) : 1'000'000;
  const unsigned long portion = rate / 100 + 1;
  timespec next{};
  clock_gettime(CLOCK_MONOTONIC, &next);
  std::string text;
  for (unsigned long number = 1; count == 0 || number <= count;) {
    text.clear();
    for (unsigned long end = number + portion; number < end && (count == 0 || number <= count); ++number) {
      char digits[24];
      text.append("flood ").append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr) += '\n';
    }
    put(text.data(), text.size());
    next.tv_nsec += 10'000'000;
    if (next.tv_nsec >= 1'000'000'000) ++next.tv_sec, next.tv_nsec -= 1'000'000'000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
  }
  return 0;
}

// --- check -----------------------------------------------------------------------------------------------------------

class Judge {
 public:
  explicit Judge(bool tail) : tail_(tail) {}

  // "2026-01-15T14:30:00Z service/web/62942430327e flood 17"
  void line(std::string_view line) {
    const size_t stamp_end = line.find(' '), end = line.find(' ', stamp_end + 1);
    if (stamp_end == line.npos || end == line.npos) return fault("no line of a log", line);
    const std::string_view stamp = line.substr(0, stamp_end), source = line.substr(stamp_end + 1, end - stamp_end - 1);
    if (stamp < std::string_view(stamp_)) fault("time goes back", line);
    if (stamp != std::string_view(stamp_)) stamp_ = stamp;
    const std::string_view text = line.substr(end + 1);
    if (source.starts_with("system/")) return system(text, line);
    if (!process_ || source != std::string_view(process_->first))
      process_ = &*processes_.try_emplace(std::string(source)).first;
    number(process_->second, text, line);
  }

  bool report(const char* name) const {
    printf("%s: %lu lines of %zu processes in %lu lives, %lu torn by a kill, %lu faults, %lu losses told\n", name,
           lines_, processes_.size(), lives_, torn_, faults_, losses_);
    return faults_ == 0 && losses_ == 0 && lines_ > 0;
  }

 private:
  struct Process {
    unsigned long last = 0, start = 0;  // of how many "started" it has heard
    bool torn = false;
  };

  void system(std::string_view text, std::string_view line) {
    if (text == "started") ++starts_;
    if (text.find(" bytes ") == text.npos && text.find("damaged") == text.npos) return;
    ++losses_;
    gap_ = true;
    if (losses_ < 10) printf("%.*s\n", static_cast<int>(line.size()), line.data());
  }

  void number(Process& process, std::string_view text, std::string_view line) {
    unsigned long number = 0;
    bool whole = text.size() > 6 && text.starts_with("flood ");
    for (size_t at = 6; whole && at < text.size(); ++at) {
      whole = text[at] >= '0' && text[at] <= '9';
      number = 10 * number + static_cast<unsigned long>(text[at] - '0');
    }
    const bool first = process.last == 0 && !process.torn;
    if (whole && number == process.last + 1 && !process.torn) {
      lives_ += first;
    } else if (whole && number == 1 && process.start < starts_) {  // another life
      ++lives_;
      process.torn = false;
    } else if (whole && first && tail_) {
      ++lives_;
    } else if (gap_ && whole && number > process.last) {
      gap_ = process.torn = false;
    } else if ((is_beginning(text, process.last + 1) && !process.torn) || gap_) {
      ++torn_;
      process.torn = true;
      return;
    } else {
      fault("not the next line", line);
    }
    if (number == 1) process.start = starts_;
    process.last = number;
    ++lines_;
  }

  static bool is_beginning(std::string_view text, unsigned long number) {
    char next[32];
    snprintf(next, sizeof next, "flood %lu", number);
    return std::string_view(next).starts_with(text);
  }

  void fault(const char* what, std::string_view line) {
    if (++faults_ < 10) printf("%s: %.*s\n", what, static_cast<int>(line.size()), line.data());
  }

  bool tail_, gap_ = false;
  std::string stamp_;
  std::map<std::string, Process, std::less<>> processes_;
  std::pair<const std::string, Process>* process_ = nullptr;
  unsigned long lines_ = 0, starts_ = 0, lives_ = 0, torn_ = 0, faults_ = 0, losses_ = 0;
};

struct Reader {
  const char* name;
  Judge judge;
  pthread_t thread{};
};

void* read_all(void* argument) {
  Reader& reader = *static_cast<Reader*>(argument);
  FILE* file = fopen(reader.name, "re");
  if (!file) return nullptr;
  std::vector<char> buffer(1 << 20);
  size_t held = 0;
  for (;;) {
    const size_t got = fread_unlocked(buffer.data() + held, 1, buffer.size() - held, file);
    held += got;
    std::string_view text(buffer.data(), held);
    for (size_t end; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
      reader.judge.line(text.substr(0, end));
    held = text.size();
    memmove(buffer.data(), text.data(), held);
    if (got == 0) break;
  }
  fclose(file);
  return nullptr;
}

int check_flood(char** words) {
  const bool tail = words[0] && strcmp(words[0], "--tail") == 0;
  std::vector<Reader> readers;
  for (char** name = words + tail; *name; ++name) readers.push_back({*name, Judge(tail)});
  for (Reader& reader : readers) pthread_create(&reader.thread, nullptr, read_all, &reader);
  bool good = !readers.empty();
  for (Reader& reader : readers) {
    pthread_join(reader.thread, nullptr);
    good = reader.judge.report(reader.name) && good;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  if (count > 1 && strcmp(words[1], "write") == 0) return write_flood(words + 2);
  if (count > 1 && strcmp(words[1], "check") == 0) return check_flood(words + 2);
  fprintf(stderr, "flood write COUNT RATE, or flood check [--tail] FILE...\n");
  return 2;
}
