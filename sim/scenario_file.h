/* Inside the reader of scenario files. */
#ifndef SPA_SIM_SCENARIO_FILE_H
#define SPA_SIM_SCENARIO_FILE_H

#include "base/ini.h"
#include "sim/scenario.h"

/* A fault of one key's value, which was asked for before: "file:line: [section] key: what". */
spa_status scenario_fail(spa_ini *ini, const char *section, const char *key, spa_status status,
                         const char *what, spa_error *err);

#endif
