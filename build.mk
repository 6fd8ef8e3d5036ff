# Rules behind the Makefile: compile, link, dependencies, checks.

# One short line per command; V=1 prints the commands themselves.
Q    := $(if $(V),,@)
SHOW  = $(if $(V),:,echo)

# A stamp that changes when the flags do, so that a changed flag rebuilds.
$(B)/.flags: FORCE
	@mkdir -p $(@D); echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' | cmp -s - $@ || \
	    echo '$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL)' > $@
.PHONY: FORCE
FORCE:

# The same for the version.
$(B)/.version: FORCE
	@mkdir -p $(@D); echo '$(VERSION) $(CUDA_SAYS)' | cmp -s - $@ || \
	    echo '$(VERSION) $(CUDA_SAYS)' > $@
$(B)/experiments/version.o: $(B)/.version

# Kernels may fuse multiply-add; each instruction set lives in a file of its own, chosen at run time.
# (-Wno-psabi: vectors of the compiler are never passed between files.)
KERNEL_FLAGS := -ffp-contract=fast -O3 -Wno-psabi
$(B)/kernels/%.o: private CFLAGS_FILE = $(KERNEL_FLAGS)
ifeq ($(MACHINE),x86_64)
$(B)/kernels/%_avx2.o: private CFLAGS_FILE = $(KERNEL_FLAGS) -mavx2 -mfma
$(B)/kernels/%_avx512.o: private CFLAGS_FILE = $(KERNEL_FLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
endif
# Loops of learning: the same bits on every machine, hence no contraction and no FMA here.
LOOP_FLAGS := -O3 -fno-math-errno -Wno-psabi
$(B)/policies/learn/loops_%.o: private CFLAGS_FILE = $(LOOP_FLAGS)
ifeq ($(MACHINE),x86_64)
$(B)/policies/learn/loops_avx2.o: private CFLAGS_FILE = $(LOOP_FLAGS) -mavx2
# Small products are for training only, where BLAS fuses too.
$(B)/policies/learn/products_avx2.o: private CFLAGS_FILE = $(LOOP_FLAGS) -mavx2 -mfma -ffp-contract=fast
$(B)/policies/learn/products_avx512.o: private CFLAGS_FILE = $(LOOP_FLAGS) -mavx512f -mfma -ffp-contract=fast
endif
$(B)/experiments/version.o: private CFLAGS_FILE = -DSPA_VERSION='"$(VERSION)"' -DSPA_BUILD='"$(VARIANT)"' \
    -DSPA_CUDA_SAYS='"$(CUDA_SAYS)"'

$(B)/%.o: %.c $(B)/.flags
	@mkdir -p $(@D); $(SHOW) "  compile $<"
	$(Q)$(CC) $(CFLAGS_ALL) $(CFLAGS_FILE) -c $< -o $@

# The simulator alone, without BLAS kernels, CUDA or threads of its own.
$(B)/libsparoa.a: $(OBJ_LIB)
	@rm -f $@; $(AR) rcs $@ $^
$(B)/libkernels.a: $(OBJ_KERN) $(B)/.cuda
	@rm -f $@; $(AR) rcs $@ $(filter %.o,$^)

# Programs: what is linked beside the rooms. Only the fitting programs read compressed data and
# compute SHA-256 sums.
ARCHIVES = -Wl,--start-group $(filter %.a,$^) -Wl,--end-group
LINK = $(Q)$(CC) $(LDFLAGS_ALL) $(filter %.o,$^) $(ARCHIVES) $(LIBS)
# A plug-in finds every function of the library in the program that loads it.
PLUGIN_HOSTS := $(B)/sparoa $(B)/tests/run
$(PLUGIN_HOSTS): private ARCHIVES = -Wl,--whole-archive $(filter %.a,$^) -Wl,--no-whole-archive
$(B)/sparoa: private LDFLAGS_ALL += -rdynamic
$(B)/fit_orin $(B)/fit_power $(B)/fidelity: $(OBJ_FIT)
$(B)/fit_orin $(B)/fit_power $(B)/fidelity: private LIBS += -lmd -lz
$(B)/bench: $(OBJ_BENCH)

# What bench measures beside ours, where it can be built: SimGrid, queues of the C++ library.
PEERS := $(if $(shell pkg-config --exists simgrid 2>/dev/null && echo yes),simgrid) \
         $(if $(shell command -v $(CXX) 2>/dev/null),event_queues)
.PHONY: peers
peers: $(PEERS:%=$(B)/peers/%)
$(B)/peers/simgrid: experiments/peers/simgrid.c
	@mkdir -p $(@D); $(SHOW) "  peer $@"
	$(Q)$(CC) -O2 -std=c17 $< -lsimgrid -o $@
$(B)/peers/event_queues: experiments/peers/event_queues.cpp
	@mkdir -p $(@D); $(SHOW) "  peer $@"
	$(Q)$(CXX) -O2 -std=c++17 $< -o $@

$(BINS): $(B)/%: $(B)/experiments/%_main.o $(OBJ_CLI) $(B)/libkernels.a $(B)/libsparoa.a
	@$(SHOW) "  link $@"
	$(LINK) -o $@

# The C interface (experiments/sparoa.h) as a library: its files, the rooms of the simulator whole (plug-ins
# use them), and what these need of the rest. One object first, in which all that is not marked as an
# interface becomes local.
API_SO  := libsparoa.so.1
OBJ_API := $(call obj,$(wildcard experiments/api*.c))
$(B)/libcli.a: $(OBJ_CLI)
	@rm -f $@; $(AR) rcs $@ $^
$(B)/api/sparoa.o: $(OBJ_API) $(B)/libsparoa.a $(B)/libcli.a $(B)/libkernels.a
	@mkdir -p $(@D)
	$(Q)$(LD) -r -o $@ $(OBJ_API) --whole-archive $(B)/libsparoa.a --no-whole-archive \
	    --start-group $(B)/libcli.a $(B)/libkernels.a --end-group
	@! $(NM) $@ | grep -q ' spa_cli_main$$' || { rm -f $@; echo "api: a file that the C interface needs calls \
	something of experiments/cli.c: with it the whole program would be in the library" >&2; exit 1; }
	$(Q)$(OBJCOPY) --localize-hidden $@
$(B)/api/libsparoa.a: $(B)/api/sparoa.o
	@rm -f $@; $(AR) rcs $@ $^
$(B)/api/$(API_SO): $(B)/api/sparoa.o
	@$(SHOW) "  link $@"
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,$(API_SO) -Wl,-z,defs -Wl,--as-needed $< $(LIBS) -o $@
	@ln -sf $(API_SO) $(B)/api/libsparoa.so
OBJCOPY ?= objcopy
NM      ?= nm
api: $(B)/api/$(API_SO) $(B)/api/libsparoa.a  ## the C interface as a library: build/$(VARIANT)/api/libsparoa.so and .a
.PHONY: api

# tests/oom.c stands between the program and its allocations, to make the n-th one fail.
WRAP_TEST := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
$(B)/tests/run: private LDFLAGS_ALL += $(WRAP_TEST) -rdynamic
$(B)/tests/run: private LIBS += -lmd -lz $(if $(STAND_IN),,-lcriterion)
# STAND_IN=1: tests run without Criterion (tests/stand_in).
ifdef STAND_IN
COMMON += -Itests/stand_in -Wno-format-zero-length
$(B)/tests/run: $(B)/tests/stand_in/run.o
endif
$(B)/tests/run: $(OBJ_TEST) $(OBJ_CLI) $(OBJ_FIT) $(OBJ_BENCH) $(B)/libkernels.a $(B)/libsparoa.a
	@$(SHOW) "  link $@"
	$(LINK) -o $@

# Libraries that look like NVML, one per kind of machine; never linked, loaded by a test.
FAKE_NVML := energy power jetson denied nodriver broken two stub
$(B)/tests/run: | $(FAKE_NVML:%=$(B)/tests/fake_nvml_%.so)
$(FAKE_NVML:%=$(B)/tests/fake_nvml_%.so): $(B)/tests/fake_nvml_%.so: tests/program/fake_nvml.c
	@mkdir -p $(@D); $(SHOW) "  link $@"
	$(Q)$(CC) -std=c17 -fPIC -shared -fvisibility=hidden -g $(WARN) -Wno-unused-function \
	    -DFAKE_NVML='"$*"' $(if $(filter stub,$*),-DFAKE_NVML_STUB) $< -o $@

# Plug-ins for the tests, good and bad: one source, a file per kind.
TEST_PLUGINS := good clash layout abi table empty silent crash hang hog exit illegal fickle \
    both overfull waiting
$(B)/tests/run: | $(TEST_PLUGINS:%=$(B)/tests/plugin_%.so)
$(TEST_PLUGINS:%=$(B)/tests/plugin_%.so): $(B)/tests/plugin_%.so: tests/program/plugin.c
	@mkdir -p $(@D); $(SHOW) "  link $@"
	$(Q)$(CC) -std=c17 -I. -MMD -MP -fPIC -shared -fvisibility=hidden -g $(WARN) -Wno-unused-const-variable \
	    -Wno-unused-function -DPLUGIN_$* -DPLUGIN_NAME='"$*"' $< -o $@
-include $(TEST_PLUGINS:%=$(B)/tests/plugin_%.d)

-include $(patsubst %.o,%.d,$(OBJ_LIB) $(OBJ_KERN) $(OBJ_CLI) $(OBJ_FIT) $(OBJ_BENCH) $(OBJ_TEST)) \
         $(patsubst %.c,$(B)/%.d,$(SRC_MAIN))

# ---------------------------------------------------------------- checks
# Criterion exits 0 on leaks and on late sanitizer errors: their logs must be empty.
# Its .timeout leaks in its own process: a test that may hang calls alarm() instead.
SAN_LOG  := $(B)/sanitizer
# intercept_tls_get_addr=0: the leak checker of GCC 12 takes the size of a thread's block of a library
# loaded later from memory that does not hold it, and crashes (with oneDNN, always).
SAN_ENV   = ASAN_OPTIONS=log_path=$(SAN_LOG):detect_leaks=1:abort_on_error=0:intercept_tls_get_addr=0 \
            UBSAN_OPTIONS=log_path=$(SAN_LOG):print_stacktrace=1 \
            LSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0
TEST_ENV  = OPENBLAS_NUM_THREADS=1 SPAROA_DATA='$(CURDIR)'
TEST_ARGS ?= --jobs 2

run-tests: $(B)/tests/run all
	@rm -f $(SAN_LOG)*
	$(Q)$(TEST_ENV) $(SAN_ENV) $(B)/tests/run $(TEST_ARGS); rc=$$?; \
	if ls $(SAN_LOG)* >/dev/null 2>&1; then cat $(SAN_LOG)*; echo "sanitizer reports above"; exit 1; fi; exit $$rc
.PHONY: run-tests

# Threads under ThreadSanitizer: Criterion cannot start there, so these are plain programs.
PROG_TEST := $(patsubst tests/program/%.c,%,$(wildcard tests/program/thread_*.c))
.SECONDARY: $(PROG_TEST:%=$(B)/tests/program/%.o)
$(B)/tests/program/%.bin: $(B)/tests/program/%.o $(OBJ_CLI) $(B)/libkernels.a $(B)/libsparoa.a
	@$(SHOW) "  link $@"
	$(LINK) -o $@
run-thread-tests: $(PROG_TEST:%=$(B)/tests/program/%.bin)
	@for t in $^; do echo "$$t"; $(TEST_ENV) $$t || exit 1; done
.PHONY: run-thread-tests
