/* What the parts of the C interface (sparoa.h) share. */
#ifndef SPA_EXPERIMENTS_API_H
#define SPA_EXPERIMENTS_API_H

#include "experiments/options.h"
#include "experiments/paths.h"
#include "experiments/plugins.h"
#include "experiments/sparoa.h"

enum { API_KINDS = SPAROA_BASELINES + 1 };

struct sparoa {
    spa_paths paths;
    spa_arena arena; /* the names; nothing is added after sparoa_open */
    const char *const *names[API_KINDS];
};

/* The caller's error from ours; returns the status. */
sparoa_status spa_api_done(spa_status status, const spa_error *ours, sparoa_error *err);

/* Copies a structure that begins with struct_size to the caller's, who set it: as many members as
 * both know. SPA_E_INVALID if it is not set, SPA_E_UNSUPPORTED if the caller knows more. */
spa_status spa_api_give(void *to, const void *from, size_t size, spa_error *err);
/* The caller's structure over ours, which holds the defaults; `from` may be NULL. */
spa_status spa_api_take(void *to, const void *from, size_t size, spa_error *err);

/* What a call is about, as the command line says it. */
typedef struct spa_api_call {
    const char *command; /* "compare" */
    unsigned bit;
    const char *const *models, *const *devices, *const *policies;
    size_t n_models, n_devices, n_policies;
} spa_api_call;

/* Options checked by the table that parses the command line, with their plug-ins. Do not move.
 * spa_api_options_fini in any case. */
typedef struct spa_api_options {
    spa_arena words; /* of the command line */
    spa_options parsed;
    bool has_parsed;
    spa_plugins *plugins;
} spa_api_options;
spa_status spa_api_options_init(spa_api_options *o, const spa_api_call *call,
                                const sparoa_options *given, spa_error *err);
void spa_api_options_fini(spa_api_options *o);

#endif
