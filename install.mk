# Installing: program, libraries, headers, data, manual page, completions, documents, examples.
#   make install PREFIX=/usr/local DESTDIR=      make uninstall PREFIX=... DESTDIR=...
PREFIX  ?= /usr/local
DESTDIR ?=
I       := $(B)/install

# Headers for plug-ins: what sim/plugin.h needs, and no more.
PLUGIN_HEADERS = $(shell $(CC) -std=c17 -I. -MM sim/plugin.h | tr -d '\\\n' | cut -d: -f2 | xargs -n1 | grep / | sort -u)
DATA_FILES = $(shell find $(ROOMS) -path '*/data/*' -type f | sort) $(wildcard experiments/*.exp)
PYTHON_FILES = python/pyproject.toml python/README.md $(wildcard python/sparoa/*.py)
DOC_FILES  = $(wildcard docs/*.md docs/images/*.png) LICENSE

.PHONY: install uninstall test-install
install: $(B)/sparoa api  ## install below PREFIX (/usr/local); DESTDIR is put in front of every path
	@mkdir -p $(I)
	@$(B)/sparoa completion bash >$(I)/bash && $(B)/sparoa completion zsh >$(I)/zsh && \
	    $(B)/sparoa completion man >$(I)/sparoa.1
	@sed -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|' install/sparoa.pc.in >$(I)/sparoa.pc
	@{ echo '755 $(B)/sparoa bin/sparoa'; \
	echo '644 $(I)/sparoa.1 share/man/man1/sparoa.1'; \
	echo '644 $(I)/bash share/bash-completion/completions/sparoa'; \
	echo '644 $(I)/zsh share/zsh/site-functions/_sparoa'; \
	echo '644 $(I)/sparoa.pc lib/pkgconfig/sparoa.pc'; \
	echo '644 experiments/sparoa.h include/sparoa.h'; \
	echo '755 $(B)/api/$(API_SO) lib/$(API_SO)'; \
	echo 'link $(API_SO) lib/libsparoa.so'; \
	echo '644 $(B)/api/libsparoa.a lib/libsparoa.a'; \
	for f in $(PLUGIN_HEADERS); do echo "644 $$f include/sparoa/$$f"; done; \
	for f in $(DATA_FILES); do echo "644 $$f share/sparoa/$$f"; done; \
	for f in $(PYTHON_FILES); do echo "644 $$f share/sparoa/$$f"; done; \
	for f in $(DOC_FILES); do echo "644 $$f share/doc/sparoa/$${f#docs/}"; done; \
	for f in $$(find docs/examples -type f | sort); do echo "644 $$f share/doc/sparoa/$${f#docs/}"; done; \
	} >$(I)/list
	@install/install.sh install '$(PREFIX)' '$(DESTDIR)' $(I)/list

uninstall:  ## remove exactly what `make install` with the same PREFIX and DESTDIR put there
	@install/install.sh uninstall '$(PREFIX)' '$(DESTDIR)'

test-install: all  ## install into a temporary folder, use what is there alone, uninstall: nothing is left
	@MAKE='$(MAKE)' VARIANT=$(VARIANT) CC='$(CC)' tests/test_install.sh

test-python: api $(B)/sparoa $(B)/tests/plugin_good.so  ## the Python package: installed by pip into build/, tested with Gymnasium where it can be had
	@VARIANT=$(VARIANT) tests/test_python.sh
.PHONY: test-python
