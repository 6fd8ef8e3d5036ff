/* Parameter tables: one table drives the command line, the checks and the documentation. */
#ifndef SPA_BASE_PARAMS_H
#define SPA_BASE_PARAMS_H

#include <stddef.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum spa_param_kind { SPA_PARAM_REAL, SPA_PARAM_INT, SPA_PARAM_TEXT } spa_param_kind;

typedef struct spa_param {
    const char *name;
    spa_param_kind kind;
    double value, min, max; /* default and inclusive bounds (REAL, INT) */
    const char *text;       /* default (TEXT) */
    const char *unit, *help;
} spa_param;

#define SPA_PARAM_MAX      16
#define SPA_PARAM_TEXT_MAX 256 /* bytes of a text value, its end included */
/* Values in the order of the table. */
typedef struct spa_param_values {
    double number[SPA_PARAM_MAX];
    char text[SPA_PARAM_MAX][SPA_PARAM_TEXT_MAX];
} spa_param_values;

SPA_API void spa_params_defaults(const spa_param *table, size_t count, spa_param_values *values);

/* Parses "a=1:b=2.5e8" (empty allowed) over the defaults. Unknown names (nearest suggested), text
 * that is no number, values outside their bounds and repeated names are errors; `owner` is the
 * policy or batcher named in them. */
SPA_API spa_status spa_params_parse(const spa_param *table, size_t count, const char *owner,
                                    const char *text, spa_param_values *values, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
