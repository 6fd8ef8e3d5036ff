/* Inside traces/: the tables of a trace folder, each as rows of a file and as an array. */
#ifndef SPA_TRACES_TRACE_TABLES_H
#define SPA_TRACES_TRACE_TABLES_H

#include "traces/table.h"
#include "traces/trace.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Read a table into an array in `arena`. Errors name file, line and column; a repeated row is
 * one. O(rows log rows). */
spa_status spa_costs_from_csv(const spa_csv *csv, const spa_graph *graph, spa_arena *arena,
                              spa_trace_cost **costs, size_t *n, spa_error *err);
spa_status spa_copies_from_csv(const spa_csv *csv, const spa_graph *graph, spa_arena *arena,
                               spa_trace_copy **copies, size_t *n, spa_error *err);
/* "conv1" or "input0"; the reverse is -1 for an unknown name. */
const char *spa_tensor_name(const spa_graph *graph, size_t tensor, char text[32]);
int64_t spa_tensor_find(const spa_graph *graph, const char *name);
spa_status spa_links_from_csv(const spa_csv *csv, spa_arena *arena, spa_trace_link **links,
                              size_t *n, spa_error *err);
spa_status spa_responses_from_csv(const spa_csv *csv, spa_arena *arena,
                                  spa_trace_response **responses, size_t *n, spa_error *err);

/* A model's name becomes part of file names: letters, digits, '.', '_', '-', no '.' in front. */
bool spa_is_file_name(const char *name);

/* The text of a graph hash in meta.ini: 16 hexadecimal digits. */
#define SPA_HASH_TEXT 17
const char *spa_hash_text(uint64_t hash, char text[SPA_HASH_TEXT]);

/* "<folder>/<stem><ending>"; free() it. */
spa_status spa_trace_file(char **path, const char *folder, const char *stem, const char *ending,
                          spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
