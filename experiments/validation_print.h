/* Validations as tables and as JSON. */
#ifndef SPA_EXPERIMENTS_VALIDATION_PRINT_H
#define SPA_EXPERIMENTS_VALIDATION_PRINT_H

#include "experiments/hardware_case.h"
#include "experiments/validation.h"

/* Tables, or the document "sparoa.<command>/1" with --json. */
spa_status spa_validation_print(const spa_validation *runs, size_t n, const spa_hardware_case *c,
                                const spa_options *options, spa_string *out, spa_error *err);

#endif
