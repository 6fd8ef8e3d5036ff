# Optional parts. Each switch is auto (used where it can be, else a printed reason), 0 or 1 (an error
# where it cannot). Included by the Makefile behind the compiler's flags.

# ---------------------------------------------------------------- oneDNN: the kernels 'onednn'
# Only its headers are needed here; the library is loaded at run time.
ONEDNN ?= auto
ifeq ($(filter $(ONEDNN),auto 0 1),)
$(error ONEDNN=$(ONEDNN) is not one of auto 0 1)
endif
ifeq ($(ONEDNN),0)
ONEDNN_MISSING := built with ONEDNN=0
else
ONEDNN_VERSION := $(shell printf '#include <dnnl.h>\nDNNL_VERSION_MAJOR\n' | \
                    $(CC) $(CFLAGS) -E -P - 2>/dev/null | tail -n 1)
ifneq ($(ONEDNN_VERSION),2)
ONEDNN_MISSING := dnnl.h of oneDNN 2 was not there
endif
endif
ifdef ONEDNN_MISSING
ifeq ($(ONEDNN),1)
$(error ONEDNN=1, but $(CC) finds no dnnl.h of oneDNN 2: install libdnnl-dev (`make deps`))
endif
ifeq ($(ONEDNN)$(MAKELEVEL),auto0)
$(info onednn: not built, $(ONEDNN_MISSING); `make deps` installs libdnnl-dev)
endif
COMMON += -DSPA_ONEDNN_MISSING='"$(ONEDNN_MISSING)"'
else
COMMON += -DSPA_ONEDNN
endif
