/* Inside the reader of scenario files. */
#ifndef SPA_SIM_SCENARIO_FILE_H
#define SPA_SIM_SCENARIO_FILE_H

#include "base/ini.h"
#include "sim/scenario.h"

/* A fault of one key's value, which was asked for before: "file:line: [section] key: what". */
spa_status scenario_fail(spa_ini *ini, const char *section, const char *key, spa_status status,
                         const char *what, spa_error *err);

/* Reads the text of a file with some of its values changed: "load=0.8:thermal.r_k_per_w=2", keys
 * without a section being those of [scenario]; NULL = none. They are appended to the name. */
spa_status scenario_parse_changed(spa_scenario *scenario, const char *path, const char *text,
                                  size_t size, const char *changes, spa_error *err);

/* The sections [background NAME], [governor] and [thermal] (conditions_file.c). */
spa_status scenario_read_conditions(spa_conditions *conditions, spa_ini *ini, spa_error *err);

#endif
