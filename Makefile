# SparOA testbed. One non-recursive Makefile; variants build side by side in build/$(VARIANT).
#   VARIANT=release|debug|asan|tsan|cov|fuzz     V=1: print whole commands
#   CUDA=auto|0|1: kernels for NVIDIA GPUs (cuda.mk)
#   ONEDNN=auto|0|1: the kernels on oneDNN (auto: where dnnl.h is; 1: an error without it)
# `make help` lists the targets.

VARIANT ?= release
B       := build/$(VARIANT)
OUT     := build/out

ROOMS   := base traces devices sim policies kernels experiments

# ---------------------------------------------------------------- packages (Debian names)
DEPS_BUILD := gcc make pkg-config libgsl-dev libsqlite3-dev libopenblas-dev libcsv-dev \
              libjansson-dev libmd-dev zlib1g-dev gnuplot-nox fonts-dejavu-core libdnnl-dev
DEPS_TEST  := $(DEPS_BUILD) libcriterion-dev libonnx-testdata
DEPS_SLURM := slurmctld slurmd slurm-client munge sqlite3

# ---------------------------------------------------------------- flags
# make has a default of its own for CC, so that ?= would not set it.
ifeq ($(origin CC),default)
CC      := gcc
endif
# The processor that is compiled for.
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine)))
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
           -Wno-unused-parameter
COMMON  := -std=c17 -D_POSIX_C_SOURCE=200809L -I. -fvisibility=hidden -ffp-contract=off -fPIC \
           -g -MMD -MP -pthread $(WARN)
FLAGS_release := -O2
FLAGS_debug   := -O0 -DSPA_DEBUG
FLAGS_asan    := -O1 -DSPA_DEBUG -fsanitize=address,undefined -fno-omit-frame-pointer \
                 -fno-sanitize-recover=undefined
FLAGS_tsan    := -O1 -DSPA_DEBUG -fsanitize=thread
FLAGS_cov     := -O0 --coverage -DSPA_DEBUG
FLAGS_fuzz    := -O1 -DSPA_DEBUG -fsanitize=address,undefined,fuzzer-no-link
ifeq ($(filter $(VARIANT),release debug asan tsan cov fuzz),)
$(error VARIANT=$(VARIANT) is not one of release debug asan tsan cov fuzz)
endif
ifeq ($(VARIANT),release)
COMMON += -DNDEBUG
endif
ifeq ($(VARIANT),fuzz)
CC := clang
endif
include features.mk
PKGS    := gsl sqlite3 jansson
# gsl.pc brings -lgslcblas, which would shadow OpenBLAS's cblas_*: filter it out.
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) openblas 2>/dev/null)
PKG_LIBS   = $(filter-out -lgslcblas,$(shell pkg-config --libs $(PKGS) 2>/dev/null)) -lcsv
BLAS_LIBS  = $(shell pkg-config --libs openblas 2>/dev/null || echo -lopenblas)
CFLAGS_ALL  = $(COMMON) $(FLAGS_$(VARIANT)) $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(FLAGS_$(VARIANT)) -pthread $(LDFLAGS)
LIBS        = $(PKG_LIBS) $(BLAS_LIBS) $(CUDA_LIBS) -ldl -lm

# Version: the last commit, or "unversioned" outside git.
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)

# ---------------------------------------------------------------- sources
SRC_LIB   := $(foreach r,base traces devices sim policies policies/learn,$(wildcard $(r)/*.c))
include cuda.mk
.DEFAULT_GOAL := all
SRC_EXP   := $(wildcard experiments/*.c)
# Programs of experiments/ with a main() of their own.
MAINS     := sparoa fit_orin fit_power fidelity bench learn_check learn_study onnx_conformance
SRC_MAIN  := $(wildcard $(MAINS:%=experiments/%_main.c))
SRC_FIT   := $(filter-out $(SRC_MAIN),$(wildcard experiments/fit*.c experiments/fidelity*.c))
SRC_BENCH := $(filter-out $(SRC_MAIN),$(wildcard experiments/bench*.c))
SRC_CLI   := $(filter-out $(SRC_MAIN) $(SRC_FIT) $(SRC_BENCH),$(SRC_EXP))
SRC_TEST  := $(filter-out tests/program/% tests/fuzz/% tests/data/% tests/stand_in/%,$(wildcard tests/*.c tests/*/*.c))
obj        = $(patsubst %.c,$(B)/%.o,$(1))
OBJ_LIB   := $(call obj,$(SRC_LIB))
OBJ_KERN  := $(call obj,$(SRC_KERN)) $(OBJ_CU)
OBJ_CLI   := $(call obj,$(SRC_CLI))
OBJ_FIT   := $(call obj,$(SRC_FIT))
OBJ_BENCH := $(call obj,$(SRC_BENCH))
OBJ_TEST  := $(call obj,$(SRC_TEST))
BINS      := $(patsubst experiments/%_main.c,$(B)/%,$(SRC_MAIN))

.DELETE_ON_ERROR:

.PHONY: import-samples all deps deps-test demo test test-slurm test-asan test-threads check-layers check-format bench fidelity fit-orin fit-power \
        learn-check learn-study conformance onnx-check clean help

all: $(BINS)  ## build build/$(VARIANT)/sparoa and its companions
	@echo '$(CUDA_SAYS)'

include build.mk
-include demo.mk fidelity.mk fuzz.mk learn.mk install.mk study.mk cross.mk

test: deps-test  ## install what tests need, build, run every test
	@$(MAKE) --no-print-directory run-tests

test-asan: deps-test  ## the same tests under AddressSanitizer and UBSan (audited debug build)
	@$(MAKE) --no-print-directory VARIANT=asan run-tests

test-slurm: deps  ## an experiment in shards on a Slurm of one node, started here (its packages are installed where possible)
	$(call install_packages,$(DEPS_SLURM))
	@$(MAKE) --no-print-directory $(B)/sparoa
	@tests/slurm/one_node.sh $(B)/sparoa

test-threads: deps-test  ## thread tests under ThreadSanitizer
	@$(MAKE) --no-print-directory VARIANT=tsan run-thread-tests

bench: $(B)/bench peers  ## speed of the engine, of `sparoa compare`, of the kernels and of learning (BENCH_ARGS=--quick)
	@$(TEST_ENV) $(B)/bench $(BENCH_ARGS)

# Debian's libonnx-testdata; ONNX_CASES=FOLDER names another one.
ONNX_CASES ?= /usr/share/libonnx-testdata/data/node
conformance: $(B)/onnx_conformance  ## the operator cases of ONNX on every backend: how many pass
	@$(TEST_ENV) $(B)/onnx_conformance $(ONNX_CASES) $(CONFORMANCE_ARGS)

# ONNX Runtime from the package index, in an environment of its own; skipped without either.
PYTHON ?= python3
ONNX_ENV := build/onnx-env
onnx-check: $(B)/sparoa $(B)/onnx_conformance  ## exported models: our answers beside ONNX Runtime's (skipped where that cannot be had)
	@test -x $(ONNX_ENV)/bin/python || $(PYTHON) -m venv $(ONNX_ENV) >/dev/null 2>&1 || true
	@$(ONNX_ENV)/bin/python -c 'import onnxruntime' 2>/dev/null || \
	    timeout 300 $(ONNX_ENV)/bin/python -m pip install -q onnxruntime numpy >/dev/null 2>&1 || true
	@if ! $(ONNX_ENV)/bin/python -c 'import onnxruntime' 2>/dev/null; then \
	    echo "onnx-check: skipped, no onnxruntime for $(PYTHON) and the package index was not reached"; \
	else $(TEST_ENV) $(ONNX_ENV)/bin/python tests/onnx_check.py $(B) build/out/onnx-check $(DATA)/onnx-light; fi

check-layers:  ## rooms include only from rooms to their left
	@tests/check_layers.sh

check-format:  ## every source is as clang-format would have it (skipped where there is none)
	@if ! command -v clang-format >/dev/null; then echo "format: skipped, no clang-format here"; \
	else clang-format --dry-run -Werror $(shell git ls-files '*.c' '*.h') && echo "format: clean"; fi

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 18

clean:  ## remove everything that was built
	rm -rf build
