/* Policies and batchers from shared objects (--plugin), beside the built-in ones. */
#ifndef SPA_EXPERIMENTS_PLUGINS_H
#define SPA_EXPERIMENTS_PLUGINS_H

#include <stddef.h>
#include <stdint.h>
#include "sim/plugin.h"

typedef struct spa_plugins spa_plugins;

/* Opens the files in order and checks them: the entry, the layout, every policy and batcher, and
 * that no name is taken by a built-in one or by another plug-in. SPA_E_IO for a file that cannot be
 * loaded, SPA_E_INVALID for one that is no plug-in or belongs to another version. Code of the files
 * runs in this process. *plugins is NULL on failure. */
spa_status spa_plugins_open(spa_plugins **plugins, const char *const *files, size_t count,
                            spa_error *err);
/* Unloads: no policy of them may be in use. NULL is allowed. */
void spa_plugins_close(spa_plugins *plugins);

/* The policies of all files in order. NULL plug-ins: none. */
const spa_policy *const *spa_plugins_policies(const spa_plugins *plugins, size_t *count);

/* spa_policy_parse with the plug-ins' policies known too; `plugins` may be NULL. */
spa_status spa_plugins_parse(const spa_plugins *plugins, const char *text,
                             const spa_policy **policy, spa_param_values *values, spa_error *err);

/* Hash of the content of the file that the policy `text` comes from; 0 = it is built in. */
uint64_t spa_plugins_hash(const spa_plugins *plugins, const char *text);

/* The same three of batchers; `text` of the hash may be NULL. */
const spa_batcher *const *spa_plugins_batchers(const spa_plugins *plugins, size_t *count);
spa_status spa_plugins_parse_batcher(const spa_plugins *plugins, const char *text,
                                     const spa_batcher **batcher, spa_param_values *values,
                                     spa_error *err);
uint64_t spa_plugins_batcher_hash(const spa_plugins *plugins, const char *text);

#endif
