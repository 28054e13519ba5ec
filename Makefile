# Builds convox. `make help` lists the targets; ARCHITECTURE.md says what the programs are.

MODE ?= release
BUILD := build/$(MODE)
CXX ?= g++
VERSION := 0.1.0

.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
Q := $(if $(V),,@)

# --- flags ---------------------------------------------------------------------------------------------------
warnings := -Wall -Wextra -Wpedantic -Wshadow -Werror
common   := -std=c++20 -I. -MMD -MP -fno-exceptions -fno-rtti $(warnings) -DCONVOX_VERSION='"$(VERSION)"' \
            -fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero \
            -ffunction-sections -fdata-sections
CXXFLAGS_release := -O2 -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS
CXXFLAGS_debug   := -O0 -g -D_GLIBCXX_ASSERTIONS
CXXFLAGS_faults  := -O2 -D_GLIBCXX_ASSERTIONS -DCONVOX_FAULTS
CXXFLAGS_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
host_flags := $(common) $(CXXFLAGS_$(MODE))
LDFLAGS    := -Wl,-z,relro,-z,now -Wl,--gc-sections $(if $(filter asan,$(MODE)),-fsanitize=address$(comma)undefined)
comma      := ,
static     := $(if $(filter asan,$(MODE)),,-static)

# --- sources: a folder is a part of the program ------------------------------------------------------------------
base_sources    := $(wildcard runtime/base/*.cc)
library_sources := $(base_sources) $(wildcard runtime/*.cc runtime/config/*.cc runtime/security/*.cc rootfs/*.cc cgroups/*.cc)
cli_sources     := $(wildcard cli/*.cc cli/app/*.cc)
image_sources   := $(wildcard rootfs/image/*.cc)
stage_sources   := $(wildcard runtime/stage/*.cc)

objects = $(patsubst %.cc,$(BUILD)/%.o,$(1))


.PHONY: all clean test-unit
all: $(BUILD)/convox $(BUILD)/convox-image

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	$(Q)$(CXX) $(host_flags) -c $< -o $@

# --- the stage: C++ on static musl, without libstdc++'s library, heap or exceptions (runtime/stage/README.md) ---------
arch       := $(shell uname -m)
gcc_major  := $(shell $(CXX) -dumpversion | cut -d. -f1)
musl       := /usr/lib/$(arch)-linux-musl
musl_headers := -nostdinc -D'__GLIBC_PREREQ(a,b)=0' -isystem /usr/include/c++/$(gcc_major) \
  -isystem /usr/include/$(arch)-linux-gnu/c++/$(gcc_major) -isystem /usr/include/$(arch)-linux-musl \
  -isystem $(shell $(CXX) -print-file-name=include) -idirafter /usr/include -idirafter /usr/include/$(arch)-linux-gnu
stage_flags := -std=c++20 -I. -MMD -MP -fno-exceptions -fno-rtti $(warnings) -Os -fPIE -fno-stack-protector -fcf-protection \
  -fno-asynchronous-unwind-tables -fno-threadsafe-statics -ffunction-sections -fdata-sections $(musl_headers) \
  $(filter -DCONVOX_FAULTS,$(CXXFLAGS_$(MODE)))
$(BUILD)/runtime/stage/%.o: runtime/stage/%.cc
	@mkdir -p $(@D)
	$(Q)$(CXX) $(stage_flags) -c $< -o $@
$(BUILD)/stage.elf: $(call objects,$(stage_sources))
	$(Q)$(CXX) -nostdlib -static-pie -Wl,--no-dynamic-linker,--gc-sections,-z,relro,-z,now,-z,noexecstack,--build-id=none \
	  $(musl)/rcrt1.o $(musl)/crti.o $^ $(musl)/libc.a $(shell $(CXX) -print-libgcc-file-name) $(musl)/crtn.o -s -o $@
# --- the seccomp program for the default capabilities: libseccomp compiles it now, so that no start has to -----------
filter_generator := $(BUILD)/seccomp_generator
$(filter_generator): $(call objects,runtime/security/generate/seccomp_generator.cc runtime/security/seccomp_compile.cc \
    runtime/security/seccomp_verify.cc runtime/security/seccomp_policy.cc runtime/security/bpf.cc $(base_sources))
	$(Q)$(CXX) $(LDFLAGS) $^ -lseccomp -o $@
$(BUILD)/generated/default_filter.bpf: $(filter_generator)
	@mkdir -p $(@D)
	$(Q)$< > $@
$(BUILD)/runtime/security/seccomp.o: host_flags += -I$(BUILD)/generated
$(BUILD)/runtime/security/seccomp.o: $(BUILD)/generated/default_filter.bpf

# --- convox: static, so that it starts fast and needs nothing ----------------------------------------------------
$(BUILD)/libconvox.a: $(call objects,$(library_sources))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/libcli.a: $(call objects,$(filter-out cli/convox.cc,$(cli_sources)))
	$(Q)rm -f $@ && ar rcs $@ $^
$(BUILD)/convox: $(BUILD)/cli/convox.o $(BUILD)/libcli.a $(BUILD)/libconvox.a
	$(Q)$(CXX) $(static) $(LDFLAGS) $^ -lseccomp -lcap -lyaml -o $@

# --- convox-image: dynamic; the only program that reads archives ---------------------------------------------------
$(BUILD)/convox-image: $(call objects,$(image_sources)) $(BUILD)/libconvox.a
	$(Q)$(CXX) $(LDFLAGS) $^ -larchive -lisal -lz -lzstd -lcrypto -lcap -lseccomp -o $@

# --- tests: Criterion wants exceptions and a dynamic link --------------------------------------------------------
unit_tests := $(patsubst tests/unit/%.cc,$(BUILD)/tests/unit/%,$(wildcard tests/unit/*.cc))
$(BUILD)/tests/unit/%: tests/unit/%.cc $(BUILD)/libcli.a $(BUILD)/libconvox.a
	@mkdir -p $(@D)
	$(Q)$(CXX) $(filter-out -fno-exceptions -fno-rtti,$(host_flags)) $< $(LDFLAGS) $(BUILD)/libcli.a $(BUILD)/libconvox.a \
	  -Wl,--no-gc-sections -lcriterion -lseccomp -lcap -lyaml -lmnl -o $@
test-unit: $(unit_tests)
	$(Q)for test in $^; do echo "$${test##*/}:"; $$test || exit 1; done

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
