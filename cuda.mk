# CUDA: CUDA=auto uses nvcc where there is one (and says why not), 0 builds without, 1 must have it.
#   CUDA_HOME=DIR   toolkit, if it is not /usr/local/cuda and nvcc is not on the PATH
#   CUDA_ARCHS=...  machine code for these; other GPUs compile the PTX of CUDA_PTX when they start
# kernels/cuda/*.c is plain C and always built (the arithmetic of arguments and indices, tested on
# the CPU); kernels/cuda/device/ is what needs the toolkit. The runtime is linked statically, cuBLAS
# and cuDNN are opened when a device is: the program starts where there is none of them.
CUDA       ?= auto
CUDA_ARCHS ?= 87 90
CUDA_PTX   ?= 80
ifeq ($(filter $(CUDA),auto 0 1),)
$(error CUDA=$(CUDA) is not one of auto 0 1)
endif
ifndef CUDA_HOME
NVCC      := $(firstword $(shell command -v nvcc 2>/dev/null) $(wildcard /usr/local/cuda/bin/nvcc))
CUDA_HOME := $(patsubst %/bin/nvcc,%,$(realpath $(NVCC)))
else
NVCC      := $(wildcard $(CUDA_HOME)/bin/nvcc)
endif
CUDNN_H   := $(firstword $(wildcard $(CUDA_HOME)/include/cudnn.h /usr/include/cudnn.h \
               /usr/include/*/cudnn.h))
CUDART    := $(firstword $(wildcard $(CUDA_HOME)/lib64/libcudart_static.a \
               $(CUDA_HOME)/lib/libcudart_static.a $(CUDA_HOME)/targets/*/lib/libcudart_static.a))
CUDA_LACKS := $(if $(NVCC),$(if $(CUDNN_H),$(if $(CUDART),,libcudart_static.a),cudnn.h),nvcc)
ifeq ($(CUDA),1)
ifneq ($(CUDA_LACKS),)
$(error CUDA=1, but there is no $(CUDA_LACKS); install the CUDA toolkit and cuDNN, or name the \
  toolkit: CUDA_HOME=DIR)
endif
endif
ifeq ($(VARIANT),fuzz)
CUDA_ON  :=
CUDA_WHY := the fuzzers need none
else ifeq ($(CUDA),0)
CUDA_ON  :=
CUDA_WHY := CUDA=0
else ifneq ($(CUDA_LACKS),)
CUDA_ON  :=
CUDA_WHY := no $(CUDA_LACKS) here; CUDA_HOME=DIR names a toolkit
else
CUDA_ON  := 1
endif

ifeq ($(CUDA_ON),)
SRC_KERN  := $(wildcard kernels/*.c kernels/*/*.c)
OBJ_CU    :=
CUDA_SAYS := cuda: not built ($(CUDA_WHY))
else
SRC_KERN  := $(filter-out kernels/cuda/absent.c,\
               $(wildcard kernels/*.c kernels/*/*.c kernels/cuda/device/*.c))
OBJ_CU    := $(patsubst %.cu,$(B)/%.cu.o,$(wildcard kernels/cuda/device/*.cu))
CUDA_SAYS := cuda: built with $(NVCC) (nothing runs without a device)
CUDA_INC  := -isystem $(CUDA_HOME)/include \
             $(addprefix -isystem ,$(filter-out /usr/include/,$(dir $(CUDNN_H)))) -Wno-deprecated-declarations \
             -DSPA_CUDA_LIBDIR='"$(CUDA_HOME)/lib64"'
CUDA_LIBS := $(CUDART) -lrt -ldl -lpthread -lstdc++
NVCC_ARCH := $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$(a),code=sm_$(a)) \
             -gencode arch=compute_$(CUDA_PTX),code=compute_$(CUDA_PTX)
# Multiply-adds are fused, as in all kernels; no fast mathematics.
NVCC_ALL   = -std=c++17 -O3 $(NVCC_ARCH) -I. -Xcompiler -fPIC,-fvisibility=hidden \
             -Wno-deprecated-gpu-targets -MMD -MP $(NVCC_FLAGS)
endif

# A stamp, so that another CUDA=, toolkit or target rebuilds.
$(B)/.cuda: FORCE
	@mkdir -p $(@D); echo '$(CUDA_ON) $(NVCC) $(NVCC_ALL)' | cmp -s - $@ || \
	    echo '$(CUDA_ON) $(NVCC) $(NVCC_ALL)' > $@
$(B)/%.cu.o: %.cu $(B)/.cuda
	@mkdir -p $(@D); $(SHOW) "  nvcc $<"
	$(Q)$(NVCC) $(NVCC_ALL) -MF $(@:.o=.d) -c $< -o $@
$(B)/kernels/cuda/device/%.o: private CFLAGS_FILE = $(KERNEL_FLAGS) $(CUDA_INC)
-include $(OBJ_CU:.o=.d)

test-cuda:  ## compare the GPU's kernels with the reference (skipped with a reason without a GPU)
	@$(MAKE) --no-print-directory VARIANT=$(VARIANT) run-test-cuda
$(B)/tests/program/cuda_check.bin $(B)/tests/program/thread_stream.bin: \
    $(B)/tests/kernels/stream_rig.o $(B)/tests/random_graph.o
.SECONDARY: $(B)/tests/program/cuda_check.o
run-test-cuda: $(B)/tests/program/cuda_check.bin
	@$(TEST_ENV) $< $(CUDA_CHECK_ARGS)
.PHONY: test-cuda run-test-cuda
