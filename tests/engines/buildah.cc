// Does buildah, with its `oci` isolation, get from the runtime what the steps of a build ask for?
#include "runtime/base/cat.h"
#include "tests/support/engines.h"

using namespace convox::test;

ReportHook(PRE_ALL)(criterion_test_set*) { Session::begin({"buildah"}); }
ReportHook(POST_ALL)(criterion_global_stats*) { Session::end(); }

namespace {

constexpr auto kNeeds = Root | CgroupV2;

// Its working container, made from nothing and the files of the image.
std::string make_container(const Engine& engine) {
  const Ran from = engine({"from", "scratch"});
  cr_assert(from.status == 0, "buildah from: %s", from.err.c_str());
  const std::string container = trimmed(from.out);
  EXPECT_STATUS(engine({"copy", "--quiet", container, Session::tree(), "/"}), 0);
  return container;
}
std::vector<std::string> run_words(const std::string& container, std::vector<std::string> flags,
                                   const std::vector<std::string>& command) {
  flags.insert(flags.begin(), {"run", "--network", "none", "--isolation", "oci", "--runtime", Session::runtime()});
  flags.insert(flags.end(), {container, "--"});
  flags.insert(flags.end(), command.begin(), command.end());
  return flags;
}
void make_run_and_remove(const Engine& engine) {
  const std::string container = make_container(engine);
  EXPECT_STATUS(engine(run_words(container, {}, {"true"})), 0);
  EXPECT_STATUS(engine({"rm", container}), 0);
}

class Buildah : public Engine {
 public:
  Buildah()
      : Engine({"/usr/bin/buildah", "--root", Session::path() + "/store", "--runroot", std::string("/run/podman"),
                "--storage-driver", "overlay"}) {
    if (first_use("buildah", make_run_and_remove)) {
      *this = Buildah();
    } else {
      container = make_container(*this);
    }
  }
  [[nodiscard]] Program start_run(const std::vector<std::string>& flags, const std::vector<std::string>& command,
                                  Start how = {}) const {
    return start(run_words(container, flags, command), std::move(how));
  }
  [[nodiscard]] Ran run(const std::vector<std::string>& flags, const std::vector<std::string>& command,
                        Start how = {}) const {
    return start_run(flags, command, std::move(how)).wait();
  }
  void remove() const { EXPECT_STATUS((*this)({"rm", container}), 0); }

  std::string container;
};

}  // namespace

Test(buildah, run_passes_input_output_and_the_status) {
  REQUIRE_ENGINE(kNeeds);
  const Buildah buildah;
  const Ran ran = buildah.run({}, {"sh", "-c", "cat; echo wrong >&2; exit 7"}, {.input = "one\ntwo\n"});
  EXPECT_STATUS(ran, 7);
  EXPECT_TEXT(ran.out, "one\ntwo\n");
  EXPECT_CONTAINS(ran.err, "wrong\n");
  const Ran missing = buildah.run({}, {"nosuch"});
  cr_expect(missing.status != 0);
  EXPECT_CONTAINS(missing.err, "not found");
  buildah.remove();
  EXPECT_NOTHING_LEFT(buildah);
}

Test(buildah, run_gives_the_user_the_directory_and_the_environment) {
  REQUIRE_ENGINE(kNeeds);
  const Buildah buildah;
  EXPECT_STATUS(buildah({"config", "--env", "GREETING=hello", "--workingdir", "/tmp", buildah.container}), 0);
  EXPECT_TEXT(
      buildah.run({"--user", "app", "--hostname", "named"}, {"sh", "-c", "echo $GREETING $PWD $(id -u) $(hostname)"})
          .out,
      "hello /tmp 1000 named\n");
  EXPECT_TEXT(buildah.run({"--cap-drop", "all"}, {"grep", "CapEff", "/proc/self/status"}).out,
              "CapEff:\t0000000000000000\n");
  buildah.remove();
  EXPECT_NOTHING_LEFT(buildah);
}

Test(buildah, run_with_a_terminal_has_one) {
  REQUIRE_ENGINE(kNeeds);
  const Buildah buildah;
  Program shell =
      buildah.start_run({"--tty"}, {"sh", "-c", "testbox is-tty; read x; echo \"<$x>\"; exit 4"}, {.terminal = true});
  cr_expect(shell.expect("controlling=yes"));
  shell.type("word\n");
  cr_expect(shell.expect("<word>"));
  EXPECT_STATUS(shell.wait(), 4);
  buildah.remove();
  EXPECT_NOTHING_LEFT(buildah);
}

Test(buildah, what_a_run_made_is_in_the_image) {
  REQUIRE_ENGINE(kNeeds);
  const Buildah buildah;
  EXPECT_STATUS(buildah.run({}, {"sh", "-c", "echo made >/app/made; rm /app/README"}), 0);
  EXPECT_STATUS(buildah({"commit", "--quiet", "--rm", buildah.container, "built"}), 0);
  const Ran from = buildah({"from", "localhost/built"});
  EXPECT_STATUS(from, 0);
  Buildah second;
  const std::string spare = second.container;
  second.container = trimmed(from.out);
  EXPECT_TEXT(second.run({}, {"sh", "-c", "cat /app/made; ls /app"}).out, "made\nbin\nmade\n");
  second.remove();
  EXPECT_STATUS(buildah({"rm", spare}), 0);
  EXPECT_STATUS(buildah({"rmi", "built"}), 0);
  EXPECT_NOTHING_LEFT(buildah);
}

Test(buildah, a_containerfile_is_built) {
  REQUIRE_ENGINE(kNeeds);
  const Buildah buildah;
  const std::string context = Session::path() + "/tmp/context";
  write_file(context + "/Containerfile",
             "FROM scratch\nADD image.tar /\nRUN echo built >/app/built && test -z \"$HOSTS_OWN\"\n");
  const Ran linked = start_beside_engines({"/bin/cp", Session::archive(), context + "/image.tar"}).wait();
  EXPECT_STATUS(linked, 0);
  const Ran built = buildah({"build", "--quiet", "--network", "none", "--layers=false", "--isolation", "oci",
                             "--runtime", Session::runtime(), "--tag", "built", context},
                            {.environment = {"HOSTS_OWN=x"}});
  EXPECT_STATUS(built, 0);
  EXPECT_STATUS(buildah({"rmi", "built"}), 0);
  remove_tree(context);
  buildah.remove();
  EXPECT_NOTHING_LEFT(buildah);
}
