# Learning algorithms on reference problems (tests run one short seed of each).
LEARN_ARGS ?=

learn-check: $(B)/learn_check  ## every learner on cart-pole or pendulum, five seeds, one table (minutes)
	@$(TEST_ENV) $(B)/learn_check $(LEARN_ARGS)
