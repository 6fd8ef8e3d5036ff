/* The event loop once more, for runs under conditions (engine_conditions.h): the plain one stays
 * as fast as if there were none. */
#define ENGINE_CONDITIONS 1
#define ENGINE_LOOP       engine_loop_conditions
#include "sim/engine_step.c"
