# Compiling for aarch64 (Jetson) on another machine, and testing what was compiled under qemu-user.
# Needs gcc-aarch64-linux-gnu and qemu-user-static; Debian's arm64 packages of the libraries are unpacked
# into a folder of their own (install/arm64_sysroot.sh), the system's packages stay as they are.
#   make cross-aarch64 CROSS_TESTS='sim*/* policies*/*'
# builds program, libraries and tests into build/aarch64 and runs these tests (default: all but
# CROSS_NOT: what measures time or takes very long in an emulator, and two about memory limits, which
# qemu-user does not pass on to what it runs). Criterion starts itself again, which the emulator cannot: tests/stand_in.
CROSS         := aarch64-linux-gnu
CROSS_ROOT    := $(CURDIR)/build/aarch64-sysroot/root
CROSS_LIB     := $(CROSS_ROOT)/usr/lib/$(CROSS)
CROSS_PACKAGES = libc6-dev libstdc++6 $(filter lib% zlib%,$(DEPS_BUILD))
CROSS_TESTS   ?= *
CROSS_NOT     ?= kernels_* hardware* campaign* steps/* cli_hardware/* cli_async/* cli_train/* cli_thresholds/* learners/* training/* \
                 cli_usage/too_little_memory* plugins_check/exhausted_memory*
CROSS_MAKE     = PKG_CONFIG_SYSROOT_DIR=$(CROSS_ROOT) \
                 PKG_CONFIG_LIBDIR=$(CROSS_LIB)/pkgconfig:$(CROSS_LIB)/openblas-pthread/pkgconfig:$(CROSS_ROOT)/usr/share/pkgconfig \
                 $(MAKE) --no-print-directory B=build/aarch64 VARIANT=release CUDA=0 STAND_IN=1 \
                 CC='$(CROSS)-gcc --sysroot=$(CROSS_ROOT)' AR=$(CROSS)-ar LD=$(CROSS)-ld OBJCOPY=$(CROSS)-objcopy NM=$(CROSS)-nm \
                 LDFLAGS='-Wl,-rpath-link,$(CROSS_LIB):$(CROSS_LIB)/openblas-pthread'

.PHONY: cross-aarch64 run-cross
cross-aarch64: build/aarch64-sysroot/.done  ## compile for aarch64 and run the tests under qemu-user (CROSS_TESTS='sim*/* base*/*')
	@for t in $(CROSS)-gcc qemu-aarch64-static; do command -v $$t >/dev/null || { echo "cross-aarch64: needs $$t: apt-get install gcc-aarch64-linux-gnu qemu-user-static" >&2; exit 1; }; done
	+@$(CROSS_MAKE) build/aarch64/sparoa api build/aarch64/tests/run
	+@$(MAKE) --no-print-directory run-cross

run-cross:
	@qemu-aarch64-static -L $(CROSS_ROOT) -E OPENBLAS_NUM_THREADS=1 build/aarch64/sparoa --version
	@set -f; args=; for t in $(CROSS_TESTS); do args="$$args --filter $$t"; done; \
	for t in $(CROSS_NOT); do args="$$args --not $$t"; done; \
	qemu-aarch64-static -L $(CROSS_ROOT) -E OPENBLAS_NUM_THREADS=1 -E SPAROA_DATA='$(CURDIR)' build/aarch64/tests/run $$args

build/aarch64-sysroot/.done: install/arm64_sysroot.sh Makefile
	@command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "cross-aarch64: needs Debian's apt" >&2; exit 1; }
	@install/arm64_sysroot.sh build/aarch64-sysroot $(CROSS_PACKAGES) >build/aarch64-sysroot.log 2>&1 || { tail -5 build/aarch64-sysroot.log; exit 1; }
	@touch $@
