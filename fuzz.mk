# Fuzzing with clang's libFuzzer: one program per parser. `make test` replays the seeds and mutations
# of them without it.
FUZZ_SECONDS ?= 60
FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))

fuzz:  ## fuzz every parser for FUZZ_SECONDS (60) each; needs clang
	@command -v clang >/dev/null || { echo "fuzz: needs clang: apt-get install clang libclang-rt-14-dev" >&2; exit 1; }
	@$(MAKE) --no-print-directory VARIANT=fuzz run-fuzz

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(OBJ_CLI) $(B)/libkernels.a $(B)/libsparoa.a
	@$(SHOW) "  link $@"
	$(Q)clang $(CFLAGS_ALL) -fsanitize=fuzzer $< $(OBJ_CLI) -Wl,--start-group \
	    $(B)/libkernels.a $(B)/libsparoa.a -Wl,--end-group $(LIBS) -o $@

.PHONY: fuzz run-fuzz
run-fuzz: $(FUZZERS:%=build/fuzz/fuzz_%)
	@bad=0; for f in $(FUZZERS); do \
	    mkdir -p build/fuzz/corpus/$$f build/fuzz/crashes; echo "== $$f"; \
	    $(TEST_ENV) build/fuzz/fuzz_$$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=4096 \
	        -artifact_prefix=build/fuzz/crashes/$$f- build/fuzz/corpus/$$f tests/fuzz/seeds/$$f \
	        >build/fuzz/$$f.log 2>&1 || { grep -a -B3 -A3 -m1 ERROR build/fuzz/$$f.log; tail -2 build/fuzz/$$f.log; bad=1; }; \
	    tail -1 build/fuzz/$$f.log; done; exit $$bad
