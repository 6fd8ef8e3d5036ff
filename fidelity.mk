# Fits to, and comparisons with, published measurements (see docs/model-fit.md). The data stands
# outside the repository; without it both targets say so and succeed.
DATA ?= ../shared/data
FIDELITY_ARGS ?=

fit-orin: $(B)/fit_orin  ## fit agx-orin's rates to published measurements (DATA=FOLDER)
	@$(B)/fit_orin $(DATA) devices/data/agx-orin.fit.ini

fit-power: $(B)/fit_power  ## fit both Jetsons' power to published measurements; prints the residuals (DATA=FOLDER)
	@$(B)/fit_power $(DATA) devices/data

fidelity: $(B)/fidelity  ## predicted against published measurements, one table (DATA=FOLDER FIDELITY_ARGS=--json)
	@mkdir -p $(OUT)
	@$(B)/fidelity $(DATA) --csv $(OUT)/fidelity.csv $(FIDELITY_ARGS)
