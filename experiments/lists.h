/* Short lists of names, as tables and as JSON. */
#ifndef SPA_EXPERIMENTS_LISTS_H
#define SPA_EXPERIMENTS_LISTS_H

#include "experiments/cli.h"

typedef struct spa_named {
    const char *name, *summary;
} spa_named;

/* {"schema", "<key>": [{"name", "summary"}]} or a table headed by `what`. */
spa_status spa_print_named(spa_cli *cli, const spa_options *options, const char *key,
                           const char *what, const spa_named *rows, size_t count, spa_error *err);

/* "  threshold:intensity=1e+08MACs (0 .. 1e+15)  help": a line for each parameter of `owner`. */
void spa_print_params(spa_string *out, const char *owner, const spa_param *params, size_t count);

#endif
