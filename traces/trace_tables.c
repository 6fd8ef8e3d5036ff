/* Reading the tables of a trace folder. */
#include "traces/trace_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_US    1e15 /* thirty years */
#define MAX_CORES 65536

static const char *const cost_columns[] = {"op",     "processor", "backend", "cores",     "batch",
                                           "dtype",  "part",      "corun",   "samples",   "mean_us",
                                           "std_us", "p50_us",    "p95_us",  "energy_uj", "origin"};
static const char *const cost_optional[] = {"typical_us"};
static const char *const copy_columns[] = {"tensor",     "from",    "from_backend", "to",
                                           "to_backend", "batch",   "dtype",        "samples",
                                           "copy_us",    "read_us", "origin"};
static const char *const link_columns[] = {
    "from", "to", "bytes", "latency_us", "p50_us", "bandwidth_gbs", "origin"};
static const char *const response_columns[] = {"processor",   "backend", "kind",  "shape_class",
                                               "input_zeros", "speedup", "origin"};

#define COUNT(array) (sizeof array / sizeof array[0])

bool spa_is_file_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n <= 200 && name[0] != '.' && strspn(name, good) == n;
}

/* ---- cells ------------------------------------------------------------------------------- */

static int column_of(const spa_csv *csv, const char *name)
{
    return spa_csv_column(csv, name);
}

/* A name copied into the arena; rows repeat their neighbours', so the last copy is shared. */
static spa_status read_name(const spa_csv *csv, size_t row, const char *column, bool may_be_empty,
                            spa_arena *arena, const char *before, const char **out, spa_error *err)
{
    int c = column_of(csv, column);
    const char *cell = spa_csv_cell(csv, row, c);
    if (cell[0] == '\0' && !may_be_empty) return spa_csv_fail(csv, row, c, err, "is empty");
    for (const char *p = cell; *p != '\0'; p++)
        if ((unsigned char)*p <= ' ' || *p == 127)
            return spa_csv_fail(csv, row, c, err, "'%.100s' has a blank in it", cell);
    if (before != NULL && strcmp(before, cell) == 0) {
        *out = before;
        return SPA_OK;
    }
    return spa_arena_strdup(arena, out, cell, err);
}

static spa_status read_real(const spa_csv *csv, size_t row, const char *column, double min,
                            double max, double *out, spa_error *err)
{
    SPA_TRY(spa_csv_double_or(csv, row, column_of(csv, column), (double)NAN, min, max, out, err));
    if (*out == 0) *out = 0.0; /* -0 would be written as such */
    return SPA_OK;
}

/* Every number says where it comes from: an origin may not be empty. */
static spa_status read_origin(const spa_csv *csv, size_t row, spa_origin *origin, spa_error *err)
{
    int index = 0, c = column_of(csv, "origin");
    SPA_TRY(
        spa_csv_word(csv, row, c, "origin", spa_origin_words, SPA_ORIGIN_COUNT, -1, &index, err));
    *origin = (spa_origin)index;
    if (*origin == SPA_ORIGIN_UNKNOWN)
        return spa_csv_fail(csv, row, c, err,
                            "a trace must know where its numbers come from: measured, imported or "
                            "modelled");
    return SPA_OK;
}

static spa_status read_i32(const spa_csv *csv, size_t row, const char *column, int64_t max,
                           int32_t *out, spa_error *err)
{
    int64_t value;
    SPA_TRY(spa_csv_i64(csv, row, column_of(csv, column), 1, max, &value, err));
    *out = (int32_t)value;
    return SPA_OK;
}

/* ---- repeated rows ----------------------------------------------------------------------- */

typedef int compare_fn(const void *a, const void *b);

/* Elements of `size` bytes, one per row; `compare` takes pointers to pointers to them. */
static spa_status check_repeats(const spa_csv *csv, const void *rows, size_t n, size_t size,
                                compare_fn *compare, const char *key, spa_error *err)
{
    const char **sorted = NULL;
    spa_status status = SPA_OK;
    if (n < 2) return SPA_OK;
    SPA_TRY(spa_alloc(&sorted, n, sizeof *sorted, err));
    for (size_t i = 0; i < n; i++) sorted[i] = (const char *)rows + i * size;
    qsort(sorted, n, sizeof *sorted, compare);
    for (size_t i = 1; i < n && status == SPA_OK; i++) {
        if (compare(&sorted[i - 1], &sorted[i]) != 0) continue;
        size_t a = (size_t)(sorted[i - 1] - (const char *)rows) / size;
        size_t b = (size_t)(sorted[i] - (const char *)rows) / size;
        size_t first = a < b ? a : b, second = a < b ? b : a;
        status = spa_csv_fail(csv, second, -1, err,
                              "the same %s as in line %d; remove or join one of them", key,
                              csv->lines[first]);
    }
    free(sorted);
    return status;
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int compare_double(double a, double b)
{
    return (a > b) - (a < b);
}

static int compare_costs(const void *a, const void *b)
{
    const spa_trace_cost *x = *(const spa_trace_cost *const *)a;
    const spa_trace_cost *y = *(const spa_trace_cost *const *)b;
    int order = compare_i64(x->op, y->op);
    if (order == 0) order = strcmp(x->processor, y->processor);
    if (order == 0) order = strcmp(x->backend, y->backend);
    if (order == 0) order = compare_i64(x->cores, y->cores);
    if (order == 0) order = compare_i64(x->batch, y->batch);
    if (order == 0) order = compare_i64(x->dtype, y->dtype);
    if (order == 0) order = compare_double(x->part, y->part);
    return order != 0 ? order : strcmp(x->corun, y->corun);
}

static int compare_links(const void *a, const void *b)
{
    const spa_trace_link *x = *(const spa_trace_link *const *)a;
    const spa_trace_link *y = *(const spa_trace_link *const *)b;
    int order = strcmp(x->from, y->from);
    if (order == 0) order = strcmp(x->to, y->to);
    return order != 0 ? order : compare_i64(x->bytes, y->bytes);
}

static int compare_responses(const void *a, const void *b)
{
    const spa_trace_response *x = *(const spa_trace_response *const *)a;
    const spa_trace_response *y = *(const spa_trace_response *const *)b;
    int order = strcmp(x->processor, y->processor);
    if (order == 0) order = strcmp(x->backend, y->backend);
    if (order == 0) order = compare_i64(x->kind, y->kind);
    if (order == 0) order = strcmp(x->shape_class, y->shape_class);
    return order != 0 ? order : compare_double(x->input_zeros, y->input_zeros);
}

/* ---- costs ------------------------------------------------------------------------------- */

static spa_status read_cost_times(const spa_csv *csv, size_t row, spa_trace_cost *cost,
                                  spa_error *err)
{
    SPA_TRY(
        spa_csv_i64_or(csv, row, column_of(csv, "samples"), -1, 1, INT64_MAX, &cost->samples, err));
    SPA_TRY(read_real(csv, row, "mean_us", 0, MAX_US, &cost->mean_us, err));
    SPA_TRY(read_real(csv, row, "std_us", 0, MAX_US, &cost->std_us, err));
    SPA_TRY(read_real(csv, row, "p50_us", 0, MAX_US, &cost->p50_us, err));
    SPA_TRY(read_real(csv, row, "p95_us", 0, MAX_US, &cost->p95_us, err));
    SPA_TRY(read_real(csv, row, "energy_uj", 0, MAX_US, &cost->energy_uj, err));
    cost->typical_us = NAN;
    if (column_of(csv, "typical_us") >= 0)
        SPA_TRY(read_real(csv, row, "typical_us", 0, MAX_US, &cost->typical_us, err));
    if (isnan(cost->mean_us) && isnan(cost->p50_us))
        return spa_csv_fail(csv, row, column_of(csv, "mean_us"), err,
                            "neither mean_us nor p50_us is known; remove the row");
    if (cost->p95_us < cost->p50_us) /* false when one is unknown */
        return spa_csv_fail(csv, row, column_of(csv, "p95_us"), err,
                            "%g is below the median %g; are the columns swapped?", cost->p95_us,
                            cost->p50_us);
    return SPA_OK;
}

static spa_status read_cost(const spa_csv *csv, size_t row, const spa_graph *graph,
                            spa_arena *arena, const spa_trace_cost *before, spa_trace_cost *cost,
                            spa_error *err)
{
    const char *op = spa_csv_cell(csv, row, column_of(csv, "op"));
    int dtype = 0;
    cost->line = csv->lines[row];
    cost->op = spa_graph_find(graph, op);
    if (cost->op < 0)
        return spa_csv_fail(csv, row, column_of(csv, "op"), err,
                            "graph '%.100s' has no operator '%.100s'; is this another model's "
                            "file?",
                            graph->name, op);
    SPA_TRY(read_name(csv, row, "processor", false, arena, before ? before->processor : NULL,
                      &cost->processor, err));
    SPA_TRY(read_name(csv, row, "backend", false, arena, before ? before->backend : NULL,
                      &cost->backend, err));
    SPA_TRY(read_name(csv, row, "corun", true, arena, before ? before->corun : NULL, &cost->corun,
                      err));
    SPA_TRY(read_i32(csv, row, "cores", MAX_CORES, &cost->cores, err));
    SPA_TRY(read_i32(csv, row, "batch", SPA_MAX_DIM, &cost->batch, err));
    SPA_TRY(spa_csv_word(csv, row, column_of(csv, "dtype"), "dtype", spa_dtype_words, 2, -1, &dtype,
                         err));
    cost->dtype = (spa_dtype)dtype;
    SPA_TRY(spa_csv_double(csv, row, column_of(csv, "part"), 0, 1, &cost->part, err));
    if (cost->part <= 0)
        return spa_csv_fail(csv, row, column_of(csv, "part"), err,
                            "a part is more than 0 and at most 1 (the whole operator)");
    SPA_TRY(read_cost_times(csv, row, cost, err));
    return read_origin(csv, row, &cost->origin, err);
}

spa_status spa_costs_from_csv(const spa_csv *csv, const spa_graph *graph, spa_arena *arena,
                              spa_trace_cost **costs, size_t *n, spa_error *err)
{
    spa_trace_cost *rows = NULL;
    SPA_TRY(spa_csv_expect(csv, cost_columns, COUNT(cost_columns), cost_optional,
                           COUNT(cost_optional), err));
    SPA_TRY(spa_arena_alloc(arena, &rows, csv->n_rows, sizeof *rows, err));
    for (size_t i = 0; i < csv->n_rows; i++)
        SPA_TRY(read_cost(csv, i, graph, arena, i > 0 ? &rows[i - 1] : NULL, &rows[i], err));
    SPA_TRY(check_repeats(csv, rows, csv->n_rows, sizeof *rows, compare_costs,
                          "op, processor, backend, cores, batch, dtype, part and corun", err));
    *costs = rows;
    *n = csv->n_rows;
    return SPA_OK;
}

/* ---- copies ------------------------------------------------------------------------------ */

const char *spa_tensor_name(const spa_graph *graph, size_t tensor, char text[32])
{
    if (tensor < graph->n_ops) return graph->ops[tensor].name;
    snprintf(text, 32, "input%zu", tensor - graph->n_ops);
    return text;
}

int64_t spa_tensor_find(const spa_graph *graph, const char *name)
{
    char text[32];
    int32_t op = spa_graph_find(graph, name);
    if (op >= 0) return op;
    for (size_t t = graph->n_ops; t < graph->n_ops + graph->n_graph_inputs; t++)
        if (strcmp(spa_tensor_name(graph, t, text), name) == 0) return (int64_t)t;
    return -1;
}

static int compare_copies(const void *a, const void *b)
{
    const spa_trace_copy *x = *(const spa_trace_copy *const *)a;
    const spa_trace_copy *y = *(const spa_trace_copy *const *)b;
    int order = compare_i64((int64_t)x->tensor, (int64_t)y->tensor);
    if (order == 0) order = strcmp(x->from, y->from);
    if (order == 0) order = strcmp(x->from_backend, y->from_backend);
    if (order == 0) order = strcmp(x->to, y->to);
    if (order == 0) order = strcmp(x->to_backend, y->to_backend);
    if (order == 0) order = compare_i64(x->batch, y->batch);
    return order != 0 ? order : compare_i64(x->dtype, y->dtype);
}

static spa_status read_copy(const spa_csv *csv, size_t row, const spa_graph *graph,
                            spa_arena *arena, const spa_trace_copy *before, spa_trace_copy *copy,
                            spa_error *err)
{
    const char *name = spa_csv_cell(csv, row, column_of(csv, "tensor"));
    int64_t tensor = spa_tensor_find(graph, name);
    int dtype = 0;
    if (tensor < 0)
        return spa_csv_fail(csv, row, column_of(csv, "tensor"), err,
                            "graph '%.100s' has no operator '%.100s' and no such input",
                            graph->name, name);
    copy->tensor = (size_t)tensor;
    SPA_TRY(
        read_name(csv, row, "from", false, arena, before ? before->from : NULL, &copy->from, err));
    SPA_TRY(read_name(csv, row, "from_backend", false, arena, before ? before->from_backend : NULL,
                      &copy->from_backend, err));
    SPA_TRY(read_name(csv, row, "to", false, arena, before ? before->to : NULL, &copy->to, err));
    SPA_TRY(read_name(csv, row, "to_backend", false, arena, before ? before->to_backend : NULL,
                      &copy->to_backend, err));
    SPA_TRY(read_i32(csv, row, "batch", SPA_MAX_DIM, &copy->batch, err));
    SPA_TRY(spa_csv_word(csv, row, column_of(csv, "dtype"), "dtype", spa_dtype_words, 2, -1, &dtype,
                         err));
    copy->dtype = (spa_dtype)dtype;
    SPA_TRY(
        spa_csv_i64_or(csv, row, column_of(csv, "samples"), -1, 1, INT64_MAX, &copy->samples, err));
    SPA_TRY(spa_csv_double(csv, row, column_of(csv, "copy_us"), 0, MAX_US, &copy->copy_us, err));
    SPA_TRY(spa_csv_double(csv, row, column_of(csv, "read_us"), 0, MAX_US, &copy->read_us, err));
    if (copy->copy_us == 0) copy->copy_us = 0.0; /* -0 would be written as such */
    if (copy->read_us == 0) copy->read_us = 0.0;
    return read_origin(csv, row, &copy->origin, err);
}

spa_status spa_copies_from_csv(const spa_csv *csv, const spa_graph *graph, spa_arena *arena,
                               spa_trace_copy **copies, size_t *n, spa_error *err)
{
    spa_trace_copy *rows = NULL;
    SPA_TRY(spa_csv_expect(csv, copy_columns, COUNT(copy_columns), NULL, 0, err));
    SPA_TRY(spa_arena_alloc(arena, &rows, csv->n_rows, sizeof *rows, err));
    for (size_t i = 0; i < csv->n_rows; i++)
        SPA_TRY(read_copy(csv, i, graph, arena, i > 0 ? &rows[i - 1] : NULL, &rows[i], err));
    SPA_TRY(check_repeats(csv, rows, csv->n_rows, sizeof *rows, compare_copies,
                          "tensor, from, to and their backends, batch and dtype", err));
    *copies = rows;
    *n = csv->n_rows;
    return SPA_OK;
}

/* ---- links and responses ----------------------------------------------------------------- */

static spa_status read_link(const spa_csv *csv, size_t row, spa_arena *arena,
                            const spa_trace_link *before, spa_trace_link *link, spa_error *err)
{
    SPA_TRY(
        read_name(csv, row, "from", false, arena, before ? before->from : NULL, &link->from, err));
    SPA_TRY(read_name(csv, row, "to", false, arena, before ? before->to : NULL, &link->to, err));
    SPA_TRY(spa_csv_i64_or(csv, row, column_of(csv, "bytes"), -1, 0, INT64_MAX, &link->bytes, err));
    SPA_TRY(read_real(csv, row, "latency_us", 0, MAX_US, &link->latency_us, err));
    SPA_TRY(read_real(csv, row, "p50_us", 0, MAX_US, &link->p50_us, err));
    SPA_TRY(read_real(csv, row, "bandwidth_gbs", 0, 1e9, &link->bandwidth_gbs, err));
    if (link->bandwidth_gbs == 0)
        return spa_csv_fail(csv, row, column_of(csv, "bandwidth_gbs"), err,
                            "no link has a bandwidth of 0; leave it empty when unknown");
    if (isnan(link->latency_us) && isnan(link->p50_us) && isnan(link->bandwidth_gbs))
        return spa_csv_fail(csv, row, column_of(csv, "latency_us"), err,
                            "neither latency_us, p50_us nor bandwidth_gbs is known; remove the "
                            "row");
    return read_origin(csv, row, &link->origin, err);
}

spa_status spa_links_from_csv(const spa_csv *csv, spa_arena *arena, spa_trace_link **links,
                              size_t *n, spa_error *err)
{
    spa_trace_link *rows = NULL;
    SPA_TRY(spa_csv_expect(csv, link_columns, COUNT(link_columns), NULL, 0, err));
    SPA_TRY(spa_arena_alloc(arena, &rows, csv->n_rows, sizeof *rows, err));
    for (size_t i = 0; i < csv->n_rows; i++)
        SPA_TRY(read_link(csv, i, arena, i > 0 ? &rows[i - 1] : NULL, &rows[i], err));
    SPA_TRY(check_repeats(csv, rows, csv->n_rows, sizeof *rows, compare_links, "from, to and bytes",
                          err));
    *links = rows;
    *n = csv->n_rows;
    return SPA_OK;
}

static spa_status read_response(const spa_csv *csv, size_t row, spa_arena *arena,
                                const spa_trace_response *before, spa_trace_response *response,
                                spa_error *err)
{
    const char *names[SPA_OP_KIND_COUNT];
    int kind = 0;
    for (int k = 0; k < SPA_OP_KIND_COUNT; k++) names[k] = spa_op_kind_name((spa_op_kind)k);
    SPA_TRY(read_name(csv, row, "processor", false, arena, before ? before->processor : NULL,
                      &response->processor, err));
    SPA_TRY(read_name(csv, row, "backend", false, arena, before ? before->backend : NULL,
                      &response->backend, err));
    SPA_TRY(read_name(csv, row, "shape_class", true, arena, before ? before->shape_class : NULL,
                      &response->shape_class, err));
    SPA_TRY(spa_csv_word(csv, row, column_of(csv, "kind"), "operator kind", names,
                         SPA_OP_KIND_COUNT, -1, &kind, err));
    response->kind = (spa_op_kind)kind;
    SPA_TRY(
        spa_csv_double(csv, row, column_of(csv, "input_zeros"), 0, 1, &response->input_zeros, err));
    if (response->input_zeros == 0) response->input_zeros = 0.0;
    SPA_TRY(spa_csv_double(csv, row, column_of(csv, "speedup"), 0, 1e6, &response->speedup, err));
    if (response->speedup <= 0)
        return spa_csv_fail(csv, row, column_of(csv, "speedup"), err, "must be more than 0");
    return read_origin(csv, row, &response->origin, err);
}

spa_status spa_responses_from_csv(const spa_csv *csv, spa_arena *arena,
                                  spa_trace_response **responses, size_t *n, spa_error *err)
{
    spa_trace_response *rows = NULL;
    SPA_TRY(spa_csv_expect(csv, response_columns, COUNT(response_columns), NULL, 0, err));
    SPA_TRY(spa_arena_alloc(arena, &rows, csv->n_rows, sizeof *rows, err));
    for (size_t i = 0; i < csv->n_rows; i++)
        SPA_TRY(read_response(csv, i, arena, i > 0 ? &rows[i - 1] : NULL, &rows[i], err));
    SPA_TRY(check_repeats(csv, rows, csv->n_rows, sizeof *rows, compare_responses,
                          "processor, backend, kind, shape_class and input_zeros", err));
    *responses = rows;
    *n = csv->n_rows;
    return SPA_OK;
}
