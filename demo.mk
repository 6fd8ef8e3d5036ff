# Dependencies and the demonstration.

# $(call install_packages,PACKAGES): nothing to do, or apt-get as root, or the command to run.
define install_packages
@missing=; \
if ! command -v dpkg >/dev/null 2>&1; then \
    echo "deps: no dpkg here; needed are what Debian calls: $(1)" >&2; exit 0; fi; \
for p in $(1); do \
    dpkg -s $$p 2>/dev/null | grep -q '^Status: install ok installed' || missing="$$missing $$p"; \
done; \
if [ -z "$$missing" ]; then exit 0; fi; \
if [ "$$(id -u)" -eq 0 ]; then \
    echo "deps: installing$$missing" >&2; \
    apt-get update -q >&2 && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing >&2; \
else \
    echo "deps: missing packages; run this, then make again:" >&2; \
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends$$missing" >&2; \
    exit 1; \
fi
endef

deps:  ## install what the build needs (as root), or say which command does
	$(call install_packages,$(DEPS_BUILD))

deps-test:  ## the same for the tests
	$(call install_packages,$(DEPS_TEST))

# The packages that deps installs change the compiler flags: the rest runs in a make of its own.
demo: deps  ## build, compare policies on three devices, draw two charts into build/out
	@$(MAKE) --no-print-directory $(B)/sparoa
	@$(MAKE) --no-print-directory run-demo

.PHONY: run-demo
run-demo:
	@mkdir -p $(OUT)
	@$(B)/sparoa compare resnet18 mobilenet_v2 --device agx-orin --device orin-nano \
	    --device x86-2core --noise on --chart $(OUT)/compare.svg --chart $(OUT)/compare.png
	@$(B)/sparoa simulate resnet18 --device agx-orin --policy heft --noise off --quiet \
	    --gantt $(OUT)/gantt.svg --gantt $(OUT)/gantt.png >/dev/null
	@echo; echo "Charts: $(OUT)/compare.svg, $(OUT)/compare.png (the tables above)"; \
	    echo "        $(OUT)/gantt.svg, $(OUT)/gantt.png (resnet18 on agx-orin, placed by heft)"
