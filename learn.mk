# Learning algorithms on reference problems (tests run one short seed of each).
LEARN_ARGS ?=

learn-check: $(B)/learn_check  ## every learner on cart-pole or pendulum, five seeds, one table (minutes)
	@$(TEST_ENV) $(B)/learn_check $(LEARN_ARGS)

# Trained policies beside dp and searches (policies/README.md): minutes on two cores.
STUDY_ARGS ?= exact

learn-study: $(B)/learn_study  ## learned policies against dp, or all on with intervals: STUDY_ARGS='all-on --only ppo'
	@$(TEST_ENV) $(B)/learn_study $(STUDY_ARGS)
