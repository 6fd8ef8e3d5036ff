/* Inside traces/: the steps that readers of profiles share (layer_times.h). */
#ifndef SPA_TRACES_LAYER_READ_H
#define SPA_TRACES_LAYER_READ_H

#include <jansson.h>

#include "traces/layer_times.h"

/* Reads and parses; the caller releases *root with json_decref. */
spa_status layer_read_json(const char *path, json_t **root, spa_error *err);
/* A member's text, "" where there is none; its number, NaN where there is none. */
const char *layer_text(const json_t *object, const char *key);
double layer_number(const json_t *object, const char *key);

/* Appends a layer without times; *layer is valid until the next one. */
spa_status layer_append(spa_layer_times *times, const char *name, const char *kind,
                        spa_layer_time **layer, spa_error *err);
/* A node that the last layer computes. */
spa_status layer_add_part(spa_layer_times *times, const char *name, size_t length, spa_error *err);
/* A list of sizes; rank 0 where they are none of ours. */
void layer_shape(const json_t *dims, spa_shape *out);
/* Means are times that a trace can hold. */
spa_status layer_check(const spa_layer_times *times, const char *path, spa_error *err);
/* Mean, deviation, median and 95th percentile of samples [n] (which it sorts). */
void layer_statistics(spa_layer_time *layer, double *us, size_t n);

#endif
