# Builds, tests and installs convox. `make help` lists the targets; ARCHITECTURE.md says what the programs are.
#
#   make MODE=debug|asan|faults|coverage   another build, beside the others in build/MODE
#   make V=1                               shows the commands

MODE    ?= release
PREFIX  ?= /usr/local
CXX     ?= g++
VERSION := 0.1.0
DATE    := 2026-11-24
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
BUILD   := build/$(MODE)
Q       := $(if $(V),,@)
comma   := ,

.DELETE_ON_ERROR:
.PRECIOUS: $(BUILD)/tests/bench/%.o
MAKEFLAGS += --no-builtin-rules
# A make below this one, on all processors unless the user said how many. (The recipe's + hands it the job server.)
submake = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))
.DEFAULT_GOAL := all

# --- flags ---------------------------------------------------------------------------------------------------
warnings := -Wall -Wextra -Wpedantic -Wshadow -Werror
hardened := -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero
common   := -std=c++20 -I. -MMD -MP $(warnings) $(hardened) -ffunction-sections -fdata-sections \
            -DCONVOX_VERSION='"$(VERSION)"'
# asan: at -O1 -g it would take five times as long to compile; vptr needs the type information that -fno-rtti leaves out.
# Small starts fast: what a start costs is pages, not instructions. What reads gigabytes is compiled for speed, below.
flags_release  := -Os -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS
flags_debug    := -O0 -g -D_GLIBCXX_ASSERTIONS
flags_faults   := -Os -D_GLIBCXX_ASSERTIONS -DCONVOX_FAULTS
flags_asan     := -O0 -g1 -D_GLIBCXX_ASSERTIONS -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all
flags_coverage := -O0 -g --coverage
host_flags := $(common) -fno-exceptions -fno-rtti $(flags_$(MODE))
# Criterion's Test() holds a try, so tests have exceptions; what they judge has none. A fixture names only the fields it is about.
test_flags := $(common) -Wno-missing-field-initializers $(flags_$(MODE))
LDFLAGS    := -Wl,-z,relro,-z,now -Wl,--gc-sections $(filter -fsanitize=% --coverage,$(flags_$(MODE)))
strip      := $(if $(filter release,$(MODE)),-s)

# Every object depends on `flags`, whose content changes with the compiler and its flags; the one that knows where helpers will be
# installed depends on `prefix`, the one that prints it on `commit`.
define remember
ifneq ($$(file <$(BUILD)/$(1)),$(2))
$$(shell mkdir -p $(BUILD))
$$(file >$(BUILD)/$(1),$(2))
endif
endef
stamp := $(BUILD)/flags
$(eval $(call remember,flags,$(CXX) $(host_flags) $(LDFLAGS)))
$(eval $(call remember,prefix,$(PREFIX)))
$(eval $(call remember,commit,$(COMMIT)))

# --- sources: a folder is a part of a program ---------------------------------------------------------------------
library_sources := $(wildcard runtime/base/*.cc runtime/*.cc runtime/networks/*.cc runtime/oci/*.cc runtime/security/*.cc rootfs/*.cc cgroups/*.cc)
oci_sources     := $(filter-out cli/oci/convox_oci.cc,$(wildcard cli/oci/*.cc))
cli_sources     := $(filter-out cli/convox.cc,$(wildcard cli/*.cc cli/app/*.cc))
image_sources   := $(filter-out rootfs/image/convox_image.cc,$(wildcard rootfs/image/*.cc))
net_sources     := $(filter-out runtime/net/convox_net.cc,$(wildcard runtime/net/*.cc))
systemd_sources := $(filter-out runtime/systemd/convox_systemd.cc,$(wildcard runtime/systemd/*.cc))
support_sources := $(filter-out tests/support/testbox.cc tests/support/flood.cc,$(wildcard tests/support/*.cc))
oci_support     := $(wildcard tests/oci/support/*.cc)
objects = $(patsubst %.cc,$(BUILD)/%.o,$(1))

.PHONY: all
all: $(BUILD)/convox $(BUILD)/convox-oci $(BUILD)/convox-image $(BUILD)/convox-net $(BUILD)/convox-systemd $(BUILD)/manual/made ## build the programs (default)

$(BUILD)/%.o: %.cc $(stamp)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(host_flags) -c $< -o $@
$(BUILD)/tests/%.o: tests/%.cc $(stamp)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(test_flags) -c $< -o $@

ifneq ($(filter release faults,$(MODE)),)
$(call objects,$(wildcard runtime/log_*.cc runtime/copy_*.cc rootfs/image/*.cc)): host_flags += -O2
endif

# What is made of a folder is made anew when a source goes, not only when one changes.
define made_of
$(eval $(call remember,$(1).list,$(2)))
$(BUILD)/$(1): $(2) $(BUILD)/$(1).list
endef
libraries := $(BUILD)/liboci.a $(BUILD)/libcli.a $(BUILD)/libimage.a $(BUILD)/libnet.a $(BUILD)/libsystemd.a $(BUILD)/libconvox.a
$(eval $(call made_of,libconvox.a,$(call objects,$(library_sources))))
$(eval $(call made_of,libcli.a,$(call objects,$(cli_sources))))
$(eval $(call made_of,liboci.a,$(call objects,$(oci_sources))))
$(eval $(call made_of,libimage.a,$(call objects,$(image_sources))))
$(eval $(call made_of,libnet.a,$(call objects,$(net_sources))))
$(eval $(call made_of,libsystemd.a,$(call objects,$(systemd_sources))))
$(eval $(call made_of,libsupport.a,$(call objects,$(support_sources))))
$(eval $(call made_of,libocisupport.a,$(call objects,$(oci_support))))
$(BUILD)/%.a:
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)

# --- stage and keeper: C++ on static musl, without libstdc++'s library, heap or exceptions (runtime/stage/README.md) ------
arch := $(shell uname -m)
musl := /usr/lib/$(arch)-linux-musl
gcc  := $(shell $(CXX) -dumpversion | cut -d. -f1)
small_headers := -nostdinc -D'__GLIBC_PREREQ(a,b)=0' $(addprefix -isystem ,/usr/include/c++/$(gcc) \
                   /usr/include/$(arch)-linux-gnu/c++/$(gcc) /usr/include/$(arch)-linux-musl $(shell $(CXX) -print-file-name=include)) \
                 -idirafter /usr/include -idirafter /usr/include/$(arch)-linux-gnu
small_flags := -std=c++20 -I. -MMD -MP $(warnings) -Os -fPIE -fno-exceptions -fno-rtti -fno-stack-protector -fcf-protection \
               -fno-asynchronous-unwind-tables -fno-threadsafe-statics -ffunction-sections -fdata-sections \
               $(small_headers) $(filter -DCONVOX_FAULTS,$(flags_$(MODE)))
define small_program
$$(BUILD)/runtime/$(1)/%.o: runtime/$(1)/%.cc $$(stamp)
	@mkdir -p $$(@D)
	$$(Q)$$(CXX) $$(small_flags) -c $$< -o $$@
$$(eval $$(call made_of,$(1).elf,$$(call objects,$$(wildcard runtime/$(1)/*.cc))))
endef
$(eval $(call small_program,stage))
$(eval $(call small_program,keeper))
$(BUILD)/%.elf:
	$(Q)$(CXX) -nostdlib -static-pie -Wl,--no-dynamic-linker,--gc-sections,-z,relro,-z,now,-z,noexecstack,--build-id=none,-Map=$(@:.elf=.map) \
	  $(musl)/rcrt1.o $(musl)/crti.o $(filter %.o,$^) $(musl)/libc.a $(shell $(CXX) -print-libgcc-file-name) $(musl)/crtn.o -s -o $@

# --- the seccomp programs for the default capabilities and the keeper: libseccomp compiles them now, so that no start has to --
$(eval $(call made_of,seccomp_generator,$(call objects,$(wildcard runtime/security/generate/*.cc runtime/security/seccomp_*.cc \
    runtime/security/bpf.cc runtime/base/*.cc))))
$(BUILD)/seccomp_generator:
	$(Q)$(CXX) $(filter %.o,$^) $(LDFLAGS) -lseccomp -o $@
$(BUILD)/generated/%_filter.bpf: $(BUILD)/seccomp_generator
	@mkdir -p $(@D)
	$(Q)$< $* > $@
$(BUILD)/runtime/security/seccomp.o: host_flags += -I$(BUILD)/generated
$(BUILD)/runtime/security/seccomp.o: $(BUILD)/generated/default_filter.bpf
$(BUILD)/runtime/security/keeper_filter.o: host_flags += -I$(BUILD)/generated
$(BUILD)/runtime/security/keeper_filter.o: $(BUILD)/generated/keeper_filter.bpf $(BUILD)/generated/watcher_filter.bpf
$(BUILD)/runtime/stage_image.o $(BUILD)/runtime/keeper_image.o: host_flags += -I$(BUILD)
$(BUILD)/runtime/stage_image.o: $(BUILD)/stage.elf
$(BUILD)/runtime/keeper_image.o: $(BUILD)/keeper.elf

# --- the programs -----------------------------------------------------------------------------------------------------
$(BUILD)/runtime/base/process.o: $(BUILD)/prefix
$(BUILD)/runtime/base/process.o: host_flags += -DCONVOX_LIBEXEC='"$(PREFIX)/libexec/convox"'

$(BUILD)/cli/oci/version.o: $(BUILD)/commit
$(BUILD)/cli/oci/version.o: host_flags += -DCONVOX_COMMIT='"$(COMMIT)"'

# The two command lines are static, so that they start fast and need nothing, and on musl, with which they start in two thirds of the
# time that glibc takes and are a third smaller. Their objects are compiled like all others, with glibc's headers: scripts/check-libc knows the few
# functions that they take from the C library, for which that is the same; runtime/libc/ has what musl lacks. convox-image alone reads
# archives, and loads what that takes.
gcc_files := $(dir $(shell $(CXX) -print-libgcc-file-name))
on_musl = $(CXX) -nostdlib -static -no-pie $(strip) $(LDFLAGS) $(musl)/crt1.o $(musl)/crti.o $(gcc_files)crtbeginT.o $(filter %.o %.a,$^) $(1) \
  -Wl,--start-group $(gcc_files)libstdc++.a $(musl)/libc.a $(gcc_files)libgcc.a -Wl,--end-group $(gcc_files)crtend.o $(musl)/crtn.o -o $@
# What watches a program as it runs comes with glibc.
link_static = $(if $(filter asan coverage,$(MODE)),$(CXX) $^ $(LDFLAGS) $(1) -o $@,$(on_musl))
missing_in_musl := $(if $(filter asan coverage,$(MODE)),,$(call objects,$(wildcard runtime/libc/*.cc)))
$(missing_in_musl): host_flags += -U_FORTIFY_SOURCE

$(BUILD)/convox: $(BUILD)/cli/convox.o $(BUILD)/libcli.a $(BUILD)/libconvox.a $(missing_in_musl)
	$(Q)$(call link_static,-lseccomp -lcap -lyaml)
$(BUILD)/convox-oci: $(BUILD)/cli/oci/convox_oci.o $(BUILD)/liboci.a $(BUILD)/libcli.a $(BUILD)/libconvox.a $(missing_in_musl)
	$(Q)$(call link_static,-lseccomp -lcap)
$(BUILD)/convox-image: $(BUILD)/rootfs/image/convox_image.o $(BUILD)/libimage.a $(BUILD)/libconvox.a
	$(Q)$(CXX) $^ $(LDFLAGS) -larchive -lisal -lz -lzstd -lcrypto -lseccomp -lcap -o $@
# rtnetlink, for the few containers that get a link of the host.
$(BUILD)/convox-net: $(BUILD)/runtime/net/convox_net.o $(BUILD)/libnet.a $(BUILD)/libconvox.a
	$(Q)$(CXX) $^ $(LDFLAGS) -lmnl -o $@
# Asks systemd for scopes; only with the systemd driver.
$(BUILD)/convox-systemd: $(BUILD)/runtime/systemd/convox_systemd.o $(BUILD)/libsystemd.a $(BUILD)/libconvox.a
	$(Q)$(CXX) $^ $(LDFLAGS) -lsystemd -o $@

# --- manual pages and completions, from the table of commands --------------------------------------------------------
$(eval $(call made_of,make_manual,$(call objects,$(wildcard cli/manual/*.cc)) $(BUILD)/liboci.a $(BUILD)/libcli.a $(BUILD)/libconvox.a))
$(BUILD)/cli/manual/roff.o: host_flags += -DCONVOX_DATE='"$(DATE)"'
$(BUILD)/make_manual:
	$(Q)$(CXX) $(filter %.o,$^) $(filter %.a,$^) $(LDFLAGS) -lseccomp -lcap -lyaml -o $@
$(BUILD)/manual/made: $(BUILD)/make_manual cli/manual/completion.bash cli/manual/completion.zsh
	$(Q)rm -rf $(@D) && mkdir -p $(@D)
	$(Q)$< $(@D) && cat cli/manual/completion.bash >>$(@D)/convox.bash && cat cli/manual/completion.zsh >>$(@D)/_convox
	$(Q)touch $@

# --- tests -----------------------------------------------------------------------------------------------------------
unit_tests        := $(patsubst %.cc,$(BUILD)/%,$(wildcard tests/unit/*.cc))
integration_tests := $(patsubst %.cc,$(BUILD)/%,$(wildcard tests/integration/*.cc))
oci_tests         := $(patsubst %.cc,$(BUILD)/%,$(wildcard tests/oci/*.cc))
engine_tests      := $(patsubst %.cc,$(BUILD)/%,$(wildcard tests/engines/*.cc))
# Criterion finds its tests in an ELF section that nothing refers to: collected, all tests would be gone, and so pass.
test_libraries    := -Wl,--no-gc-sections -lcriterion -lmnl -larchive -lisal -lz -lzstd -lcrypto -lseccomp -lcap -lyaml
$(unit_tests): $(BUILD)/%: $(BUILD)/%.o $(libraries)
	$(Q)$(CXX) $^ $(LDFLAGS) $(test_libraries) -o $@
# What of the stage can run without a container is tested, and sanitised, as host code.
$(BUILD)/hosted/%.o: %.cc $(stamp)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(host_flags) -c $< -o $@
$(BUILD)/tests/unit/user_lookup $(BUILD)/tests/unit/plan_view: $(patsubst %,$(BUILD)/hosted/runtime/stage/%.o,user_lookup plan_view)
# Most tests start the built programs; a few call a library whose work only the kernel can judge.
oci_walk := $(BUILD)/tests/integration/oci_fault_walk
$(filter-out $(oci_walk),$(integration_tests)) $(engine_tests): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libsupport.a $(BUILD)/libnet.a $(BUILD)/libconvox.a
	$(Q)$(CXX) $^ $(LDFLAGS) $(test_libraries) -o $@
# The OCI tests call nothing of ours: they judge whatever runtime they are given. The fault walk judges as they do.
$(oci_tests) $(oci_walk): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libocisupport.a $(BUILD)/libsupport.a $(BUILD)/libconvox.a
	$(Q)$(CXX) $^ $(LDFLAGS) $(test_libraries) -o $@
$(BUILD)/tests/support/testbox.o $(BUILD)/tests/support/flood.o: test_flags := $(common) $(flags_release)
$(BUILD)/tests/testbox $(BUILD)/tests/flood: $(BUILD)/tests/%: $(BUILD)/tests/support/%.o
	$(Q)$(CXX) -static $^ -o $@

.PHONY: programs-for-tests faults-build unit-tests test test-unit test-integration test-oci test-engines test-vm compare-unpack scale census log-flood bench bench-ps
programs-for-tests: all faults-build $(integration_tests) $(oci_tests) $(engine_tests) $(BUILD)/tests/testbox $(BUILD)/tests/flood
faults-build:
	+$(Q)$(submake) MODE=faults all

unit-tests: $(unit_tests)

# Unit tests run with the address and undefined behaviour sanitisers, programs as they are installed (tests/README.md says why).
test: ## install what tests need, run all of them (in a VM what this host cannot)
	$(Q)scripts/install-deps build test
	+$(Q)$(submake) MODE=asan unit-tests
	+$(Q)$(submake) programs-for-tests
	$(Q)CONVOX_UNIT_BUILD=build/asan scripts/run-tests $(BUILD) unit integration oci engines vm
test-unit: unit-tests ## tests without root and kernel; MODE=asan: with sanitisers
	$(Q)scripts/run-tests $(BUILD) unit
test-integration: programs-for-tests ## the built programs on this kernel, as root
	$(Q)scripts/run-tests $(BUILD) integration
test-oci: all $(oci_tests) $(BUILD)/tests/testbox ## the OCI conformance tests on convox-oci; RUNTIME=crun: on another runtime
	$(Q)RUNTIME=$(RUNTIME) scripts/run-tests $(BUILD) oci
test-engines: all $(engine_tests) $(BUILD)/tests/testbox ## Podman, containerd and buildah over convox-oci, or over RUNTIME=PATH
	$(Q)scripts/run-tests $(BUILD) engines
test-vm: programs-for-tests ## everything that starts programs, in a VM with every cgroup v2 controller (an hour)
	$(Q)scripts/run-tests $(BUILD) all-in-vm
compare-unpack: $(BUILD)/convox-image ## our unpacking of a Debian against umoci's (minutes, and the network)
	$(Q)scripts/compare-unpack $<
scale: all ## run a thousand detached containers at once
	$(Q)scripts/scale $(BUILD)
census: all $(BUILD)/tests/integration/census $(BUILD)/tests/testbox ## run 1,500 containers and compare what is there before and after
	$(Q)scripts/census-runs $(BUILD)
log-flood: all $(BUILD)/tests/flood ## 100 million lines through rotation and 20 kills: does a follower see each once?
	$(Q)scripts/log-flood $(BUILD)
bench: ## measure beside podman, crun, runc, bwrap and the bare kernel work
	$(Q)scripts/install-deps build bench
	+$(Q)$(submake) all $(addprefix $(BUILD)/tests/bench/,interleave bare bare_exec empty many memlock sequence) $(BUILD)/tests/testbox
	$(Q)scripts/bench $(BUILD)
	$(Q)scripts/bench-oci $(BUILD)
	$(Q)scripts/bench-podman $(BUILD)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(Q)$(CXX) -static $^ -o $@
# It makes records as convox writes them.
$(BUILD)/tests/bench/many: $(BUILD)/libconvox.a
bench-ps: ## what `convox ps` over 1,000 containers costs beside bare reads of the same files
	+$(Q)$(submake) $(BUILD)/convox $(BUILD)/tests/bench/many $(BUILD)/tests/testbox
	$(Q)scripts/bench-ps $(BUILD)

# --- around it -----------------------------------------------------------------------------------------------------
.PHONY: quickstart lint format install uninstall clean help
quickstart: ## from a bare Debian 12 to an app that runs: install, build, run
	$(Q)scripts/quickstart
lint: ## format, clang-tidy, and the rules of this code
	$(Q)scripts/install-deps build lint
	$(Q)scripts/lint $(BUILD)
format: ## clang-format over all sources
	$(Q)git ls-files '*.cc' '*.h' | xargs clang-format -i

installed = $(DESTDIR)$(PREFIX)
install: all ## to PREFIX (/usr/local), below DESTDIR
	install -D -m 755 $(BUILD)/convox $(installed)/bin/convox
	install -D -m 755 $(BUILD)/convox-oci $(installed)/bin/convox-oci
	install -D -m 755 $(BUILD)/convox-image $(installed)/libexec/convox/convox-image
	install -D -m 755 $(BUILD)/convox-net $(installed)/libexec/convox/convox-net
	install -D -m 755 $(BUILD)/convox-systemd $(installed)/libexec/convox/convox-systemd
	install -d $(installed)/share/man/man1
	install -m 644 $(BUILD)/manual/man1/*.1 $(installed)/share/man/man1
	install -D -m 644 $(BUILD)/manual/man8/convox-oci.8 $(installed)/share/man/man8/convox-oci.8
	install -D -m 644 docs/convox.yml.5 $(installed)/share/man/man5/convox.yml.5
	install -D -m 644 $(BUILD)/manual/convox.bash $(installed)/share/bash-completion/completions/convox
	install -D -m 644 $(BUILD)/manual/_convox $(installed)/share/zsh/site-functions/_convox
	install -d $(installed)/share/convox && rm -rf $(installed)/share/convox/engines && cp -r packaging $(installed)/share/convox/engines
	install -d $(installed)/share/doc/convox
	install -m 644 $(wildcard README.md ARCHITECTURE.md CHANGELOG.md LICENSE docs/engines.md docs/networks.md) $(installed)/share/doc/convox
uninstall: ## removes what install put there
	rm -f $(installed)/bin/convox $(installed)/bin/convox-oci
	rm -f $(addprefix $(installed)/libexec/convox/convox-,image net systemd)
	rm -f $(installed)/share/man/man1/convox.1 $(installed)/share/man/man1/convox-*.1 $(installed)/share/man/man5/convox.yml.5
	rm -f $(installed)/share/man/man8/convox-oci.8
	rm -f $(installed)/share/bash-completion/completions/convox $(installed)/share/zsh/site-functions/_convox
	rm -rf $(installed)/share/doc/convox $(installed)/share/convox
	rmdir --ignore-fail-on-non-empty $(installed)/libexec/convox
clean: ## removes build/
	rm -rf build
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
