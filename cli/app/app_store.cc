#include "cli/app/app_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "cli/app/app_name.h"
#include "cli/app/record.h"
#include "runtime/base/fs.h"
#include "runtime/base/lock.h"

namespace convox::app {
namespace {

constexpr const char* kAppRecord = "app.json";
constexpr std::string_view kRecordEnd = ".json", kLogEnd = ".log";
constexpr std::size_t kLargestLog = 16u << 20;

Error no_such(std::string_view noun, std::string_view name) { return not_found(cat("no such ", noun, ": ", name)); }

// "Not there" is an answer, on which records are made and logs removed; "cannot be told" is an error.
Result<bool> exists(int dir, const std::string& name) {
  struct stat st {};
  const long rc = sys::newfstatat(dir, name.c_str(), &st, AT_SYMLINK_NOFOLLOW);
  if (rc == -ENOENT || rc == -ENOTDIR) return false;
  TRY(check(rc, "stat", name));
  return true;
}

Result<bool> same_file(int one, int dir, const std::string& name) {
  struct stat a {};
  struct stat b {};
  TRY(check(sys::newfstatat(one, "", &a, AT_EMPTY_PATH), "stat", name));
  const long rc = sys::newfstatat(dir, name.c_str(), &b, AT_SYMLINK_NOFOLLOW);
  if (rc == -ENOENT) return false;
  TRY(check(rc, "stat", name));
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

Result<UniqueFd> open_directory(int dir, const std::string& name) {
  return fs::open_beneath(dir, name, O_RDONLY | O_DIRECTORY);
}

// Where it is new, its name must survive a crash as well as what will be written into it.  fsync(2)
Result<UniqueFd> make_directory(int dir, const std::string& name) {
  const bool fresh = !TRY(exists(dir, name));
  UniqueFd made = TRY(fs::make_and_open_directory(dir, name, 0700));
  if (fresh) TRY(check(sys::fsync(dir), "fsync", cat("the directory of ", name)));
  return made;
}

// A folder of records that nobody has written to yet is not there, and empty.
template <class Record>
Result<std::optional<UniqueFd>> folder_of(int app) {
  auto folder = open_directory(app, Record::kFolder);
  if (!folder && folder.error().code == ENOENT) return std::optional<UniqueFd>();
  return std::optional<UniqueFd>(TRY(std::move(folder), Record::kFolder));
}

// --- one folder of records, be it releases or builds ------------------------------------------------------------

template <class Record>
Result<Record> read_one(int folder, const std::string& id) {
  Record record;
  const json::Document document = TRY(read_record(folder, cat(id, kRecordEnd)), Record::kNoun, " ", id);
  TRY(from_json(document, record), Record::kNoun, " ", id);
  return record;
}

template <class Record>
Result<std::vector<std::string>> ids(int folder) {
  std::vector<std::string> found;
  for (const std::string& name : TRY(fs::list(folder), Record::kFolder)) {
    if (!name.ends_with(kRecordEnd)) continue;
    const std::string_view id = std::string_view(name).substr(0, name.size() - kRecordEnd.size());
    if (is_id(Record::kKind, id)) found.emplace_back(id);
  }
  return found;
}

template <class Record>
Result<std::vector<Record>> read_all(int app) {
  std::vector<Record> records;
  const auto folder = TRY(folder_of<Record>(app));
  if (!folder) return records;
  for (const std::string& id : TRY(ids<Record>(folder->get())))
    records.push_back(TRY(read_one<Record>(folder->get(), id)));
  std::sort(records.begin(), records.end(), [](const Record& a, const Record& b) { return a.number > b.number; });
  return records;
}

template <class Record>
Result<Record> find_one(int app, std::string_view text) {
  std::string wanted;
  for (const char letter : text) wanted += static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
  const auto folder = TRY(folder_of<Record>(app));
  if (!folder || wanted.empty()) return no_such(Record::kNoun, text);
  if (is_id(Record::kKind, wanted) && TRY(exists(folder->get(), cat(wanted, kRecordEnd))))
    return read_one<Record>(folder->get(), wanted);
  std::vector<std::string> matches;
  for (std::string& id : TRY(ids<Record>(folder->get())))
    if (id.starts_with(wanted)) matches.push_back(std::move(id));
  if (matches.empty()) return no_such(Record::kNoun, text);
  if (matches.size() > 1) return invalid(cat("ambiguous ", Record::kNoun, " id: ", text, ": ", join(matches, ", ")));
  return read_one<Record>(folder->get(), matches.front());
}

// A new id, not taken, and the number after the highest.
template <class Record>
Result<UniqueFd> place(int app, Record& record) {
  UniqueFd folder = TRY(make_directory(app, Record::kFolder));
  for (const Record& other : TRY(read_all<Record>(app))) record.number = std::max(record.number, other.number);
  ++record.number;
  do record.id = new_id(Record::kKind);
  while (TRY(exists(folder.get(), cat(record.id, kRecordEnd))));
  return folder;
}

template <class Record>
Result<> write_one(int folder, const Record& record) {
  return write_record(folder, cat(record.id, kRecordEnd), to_json(record));
}

// --- what killed commands left -----------------------------------------------------------------------------------

Result<> sweep(int directory) {
  for (const std::string& name : TRY(fs::list(directory)))
    if (name.starts_with(".tmp-")) TRY(fs::remove_tree(directory, name));
  return ok();
}

// A log without a record: its build was killed before it began.
Result<> sweep_logs(int builds) {
  for (const std::string& name : TRY(fs::list(builds))) {
    if (!name.ends_with(kLogEnd)) continue;
    const std::string id = name.substr(0, name.size() - kLogEnd.size());
    if (TRY(exists(builds, cat(id, kRecordEnd))) || TRY(exists(builds, cat(id, kRecordEnd, ".bad")))) continue;
    TRY(fs::remove_tree(builds, name));
  }
  return ok();
}

// Making and deleting apps exclude each other. Taken after an app's own lock.
Result<UniqueFd> lock_list(int apps) {
  UniqueFd gate = TRY(open_directory(apps, "."));
  TRY(lock(gate.get(), LockKind::kExclusive, "the list of apps"));
  return gate;
}

Result<> write_app(int directory, std::string_view active) {
  RecordWriter record;
  record.text("release", active);
  return write_record(directory, kAppRecord, record.end());
}

}  // namespace

// --- App ------------------------------------------------------------------------------------------------------------

Result<AppLock> App::lock() const {
  // An open file description of its own: that is what flock(2) locks.
  AppLock held(TRY(open_directory(directory_.get(), ".")));
  TRY(convox::lock(held.directory_.get(), LockKind::kExclusive, cat("app ", name_)));
  // While we waited the app may have been deleted, and made again under the same name.
  if (!TRY(same_file(directory_.get(), apps_.get(), name_))) return no_such("app", name_);
  TRY(sweep(directory_.get()), "cleaning up app ", name_);
  if (const auto releases = TRY(folder_of<Release>(directory_.get()))) TRY(sweep(releases->get()));
  if (const auto builds = TRY(folder_of<BuildRecord>(directory_.get()))) {
    TRY(sweep(builds->get()));
    TRY(sweep_logs(builds->get()));
  }
  return held;
}

Result<std::string> App::active() const {
  const json::Document document = TRY(read_record(directory_.get(), kAppRecord), "app ", name_);
  return RecordReader(document).text("release");
}

Result<> App::activate(const AppLock&, const std::string& release) const {
  return write_app(directory_.get(), release);
}

Result<Release> App::release(std::string_view text) const { return find_one<Release>(directory_.get(), text); }
Result<std::vector<Release>> App::releases() const { return read_all<Release>(directory_.get()); }

Result<std::optional<Release>> App::newest() const {
  auto all = TRY(releases());
  if (all.empty()) return std::optional<Release>();
  return std::optional<Release>(std::move(all.front()));
}

Result<> App::add(const AppLock&, Release& release) const {
  release.number = 0;
  const UniqueFd folder = TRY(place(directory_.get(), release));
  release.created = seconds_now();
  return write_one(folder.get(), release);
}

Result<BuildRecord> App::build(std::string_view text) const {
  return judge(TRY(find_one<BuildRecord>(directory_.get(), text)));
}

Result<std::vector<BuildRecord>> App::builds() const {
  auto all = TRY(read_all<BuildRecord>(directory_.get()));
  for (BuildRecord& build : all) build = TRY(judge(std::move(build)));
  return all;
}

Result<UniqueFd> App::start(const AppLock&, BuildRecord& build) const {
  build.number = 0;
  const UniqueFd folder = TRY(place(directory_.get(), build));
  const std::string name = cat(build.id, kLogEnd);
  UniqueFd log = TRY(fs::open_beneath(folder.get(), name, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600));
  TRY(convox::lock(log.get(), LockKind::kExclusive, name));
  build.started = seconds_now();
  auto written = write_one(folder.get(), build);
  if (!written) {
    sys::unlinkat(folder.get(), name.c_str(), 0);
    return std::move(written).error();
  }
  return log;
}

Result<> App::save(const AppLock&, const BuildRecord& build) const {
  const UniqueFd folder = TRY(open_directory(directory_.get(), BuildRecord::kFolder));
  return write_one(folder.get(), build);
}

Result<std::string> App::log(const BuildRecord& build) const {
  const UniqueFd folder = TRY(open_directory(directory_.get(), BuildRecord::kFolder));
  return fs::read(folder.get(), cat(build.id, kLogEnd), kLargestLog);
}

// A build that says `running` and whose log nobody holds has lost its builder. Read again under the log's lock: the
// builder may have finished between our two looks.
Result<BuildRecord> App::judge(BuildRecord build) const {
  if (build.status != BuildRecord::Status::kRunning) return build;
  const UniqueFd folder = TRY(open_directory(directory_.get(), BuildRecord::kFolder));
  const auto log = fs::open_beneath(folder.get(), cat(build.id, kLogEnd), O_RDONLY);
  if (log && !TRY(try_lock(log->get(), LockKind::kShared, "the build's log"))) return build;
  build = TRY(read_one<BuildRecord>(folder.get(), build.id));
  if (build.status == BuildRecord::Status::kRunning) build.status = BuildRecord::Status::kFailed;
  return build;
}

// --- AppStore -------------------------------------------------------------------------------------------------------

Result<UniqueFd> AppStore::apps() const {
  const UniqueFd root = TRY(fs::open_private_directory(root_));
  return make_directory(root.get(), "apps");
}

Result<bool> AppStore::has_apps() const {
  struct stat st {};
  const std::string path = cat(root_, "/apps");
  const long rc = sys::newfstatat(AT_FDCWD, path.c_str(), &st, AT_SYMLINK_NOFOLLOW);
  if (rc == -ENOENT) return false;
  TRY(check(rc, "open", path));  // who may not look must not hear that there are none
  return true;
}

Result<std::vector<std::string>> AppStore::names() const {
  std::vector<std::string> names;
  if (!TRY(has_apps())) return names;
  const UniqueFd all = TRY(apps());
  for (const std::string& name : TRY(fs::list(all.get()), "apps"))
    if (is_name(name) && TRY(exists(all.get(), cat(name, "/", kAppRecord)))) names.push_back(name);
  return names;
}

Result<App> AppStore::find(std::string_view name) const {
  if (!is_name(name) || !TRY(has_apps())) return no_such("app", name);
  UniqueFd all = TRY(apps());
  auto directory = open_directory(all.get(), std::string(name));
  if (!directory && directory.error().code == ENOENT) return no_such("app", name);
  if (!directory) return std::move(directory).error();
  if (!TRY(exists(directory->get(), kAppRecord))) return no_such("app", name);
  return App(std::string(name), std::move(all), *std::move(directory));
}

Result<App> AppStore::create(std::string_view name) const {
  TRY(check_app_name(name));
  if (name == "rack" || name == "system") return invalid(cat("app name is reserved: ", name));
  UniqueFd all = TRY(apps());
  const UniqueFd gate = TRY(lock_list(all.get()));
  TRY(sweep(all.get()));
  UniqueFd directory = TRY(make_directory(all.get(), std::string(name)));
  if (TRY(exists(directory.get(), kAppRecord))) return invalid(cat("app already exists: ", name));
  TRY(sweep(directory.get()));
  TRY(write_app(directory.get(), ""));
  return App(std::string(name), std::move(all), std::move(directory));
}

Result<App> AppStore::find_or_create(std::string_view name) const {
  auto found = find(name);
  if (found || found.error().kind != Error::Kind::kNotFound) return found;
  auto created = create(name);
  if (created) return created;
  found = find(name);  // somebody else may have made it meanwhile
  return found ? std::move(found) : std::move(created);
}

Result<> AppStore::remove(std::string_view name) const {
  const App app = TRY(find(name));
  const auto held = TRY(app.lock());
  const UniqueFd root = TRY(fs::open_private_directory(root_));
  // The data first: killed in between, the app is still there to be deleted again, and no later app of this name finds
  // it.
  if (const auto volumes = open_directory(root.get(), "volumes")) TRY(fs::remove_tree(volumes->get(), app.name()));
  // One rename takes the app away; what it consisted of is removed under a name that the next command sweeps.
  const UniqueFd gate = TRY(lock_list(app.apps_.get()));
  const std::string aside = cat(".tmp-", fs::random_hex(8));
  TRY(check(sys::renameat2(app.apps_.get(), app.name_.c_str(), app.apps_.get(), aside.c_str(), RENAME_NOREPLACE),
            "rename", app.name_));
  return fs::remove_tree(app.apps_.get(), aside);
}

}  // namespace convox::app
