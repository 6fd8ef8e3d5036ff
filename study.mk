# The study: every experiment into one database, then its figures and the scorecard.
#   QUICK=1: what the [quick] sections of the experiments say, in a folder of its own
#   STUDY=DIR: where it goes
#   JOBS=N: threads (default: all cores)
JOBS       ?= $(shell nproc 2>/dev/null || echo 1)
STUDY      ?= $(OUT)/study$(if $(QUICK),-quick)
STUDY_EXP  ?= $(sort $(wildcard experiments/*.exp))
SEEDS      ?= 1 2 3 4 5 6 7 8 9 10
FULL_STEPS ?= 200000

.PHONY: study study-full

# Rows that are stored are not run again, figures that fit are kept: stop it and go on any time.
study: $(B)/sparoa  ## all experiments, figures and the scorecard into build/out/study (QUICK=1: a minute)
	@mkdir -p $(STUDY)
	@$(B)/sparoa run $(STUDY_EXP) --db $(STUDY)/results.db --jobs $(JOBS) $(if $(QUICK),--quick) > $(STUDY)/rows.tmp
	@mv $(STUDY)/rows.tmp $(STUDY)/rows.txt
	@$(B)/sparoa figures --db $(STUDY)/results.db -o $(STUDY)/figures > $(STUDY)/figures.txt
	@$(B)/sparoa report --db $(STUDY)/results.db -o $(STUDY)/report.html | tee $(STUDY)/scorecard.txt
	@echo "study: $(STUDY)/report.html, figures/, rows.txt (every row), results.db"

# Learned policies with many training seeds beside what comes with the program, on all models of
# each device: as long as it takes. A policy that is there is not trained again.
FULL_DEVICES  := agx-orin orin-nano
FULL_POLICIES := ppo sac
FULL_ACTORS    = $(foreach p,$(FULL_POLICIES),$(foreach s,$(SEEDS),$(STUDY)/trained/$(p)-$(1)-$(s).actor))
comma         := ,
nothing       :=
blank         := $(nothing) $(nothing)

$(STUDY)/trained/%.actor: | $(B)/sparoa
	@mkdir -p $(@D)
	@n='$*'; policy=$${n%%-*}; seed=$${n##*-}; device=$${n#*-}; device=$${device%-*}; \
	echo "train $$policy on $$device, seed $$seed"; \
	$(B)/sparoa train $$policy all --device $$device --seed $$seed --steps $(FULL_STEPS) \
	    --quiet -o $@.tmp > $@.txt && mv $@.tmp $@

# The experiment of a device: its name, and the policies that were trained for it.
$(STUDY)/seeds-%.exp: study.mk
	@mkdir -p $(@D)
	@printf '%s\n' '# Written by study.mk.' '[experiment]' 'name = seeds-$*' \
	    'title = Learned policies by training seed, $*' '[factors]' 'models = all' 'devices = $*' \
	    'policies = gpu-only, dp, local-search, ppo, sac, $(subst $(blank),$(comma) ,$(strip $(foreach p,$(FULL_POLICIES),$(foreach s,$(SEEDS),$(p):model=$(STUDY)/trained/$(p)-$*-$(s).actor))))' \
	    '[precision]' 'half_width = 0.01' 'max = 400' 'reference = gpu-only' > $@

study-full: $(B)/sparoa $(foreach d,$(FULL_DEVICES),$(call FULL_ACTORS,$(d)) $(STUDY)/seeds-$(d).exp)  ## the same, and ten training seeds of ppo and sac on each Jetson (hours; SEEDS='1 2')
	@$(MAKE) --no-print-directory study STUDY_EXP='$(STUDY_EXP) $(FULL_DEVICES:%=$(STUDY)/seeds-%.exp)'
