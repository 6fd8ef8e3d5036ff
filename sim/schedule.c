#include "sim/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/csv.h"
#include "base/text.h"
#include "sim/event.h"

spa_status spa_schedule_init(spa_schedule *schedule, size_t n_ops, spa_error *err)
{
    spa_status status = SPA_OK;
    memset(schedule, 0, sizeof *schedule);
    if ((status = spa_alloc(&schedule->processor, n_ops, 1, err))) goto out;
    if ((status = spa_alloc(&schedule->lane, n_ops, 1, err))) goto out;
    if ((status = spa_alloc(&schedule->order, n_ops, sizeof *schedule->order, err))) goto out;
    if ((status = spa_alloc(&schedule->share, n_ops, 1, err))) goto out;
    if ((status = spa_alloc(&schedule->second, n_ops, 1, err))) goto out;
    if ((status = spa_alloc(&schedule->chunk, n_ops, sizeof *schedule->chunk, err))) goto out;
    schedule->n_ops = n_ops;
    memset(schedule->lane, SPA_LANE_ANY, n_ops);
    for (size_t i = 0; i < n_ops; i++) schedule->order[i] = (uint32_t)i;
out:
    if (status) spa_schedule_fini(schedule);
    return status;
}

void spa_schedule_fini(spa_schedule *schedule)
{
    free(schedule->processor);
    free(schedule->lane);
    free(schedule->order);
    free(schedule->share);
    free(schedule->second);
    free(schedule->chunk);
    memset(schedule, 0, sizeof *schedule);
}

void spa_schedule_copy(spa_schedule *to, const spa_schedule *from)
{
    memcpy(to->processor, from->processor, from->n_ops);
    memcpy(to->lane, from->lane, from->n_ops);
    memcpy(to->order, from->order, from->n_ops * sizeof *from->order);
    memcpy(to->share, from->share, from->n_ops);
    memcpy(to->second, from->second, from->n_ops);
    memcpy(to->chunk, from->chunk, from->n_ops * sizeof *from->chunk);
}

bool spa_schedule_splits(const spa_schedule *schedule)
{
    for (size_t i = 0; i < schedule->n_ops; i++)
        if (schedule->share[i]) return true;
    return false;
}

bool spa_schedule_chunks(const spa_schedule *schedule)
{
    for (size_t i = 0; i < schedule->n_ops; i++)
        if (schedule->chunk[i]) return true;
    return false;
}

static spa_status check_chunk(const spa_schedule *s, const spa_costs *costs, size_t op,
                              spa_error *err)
{
    const char *name = costs->graph->ops[op].name;
    const spa_op_cost *cost = spa_chunk_cost(costs, op, s->processor[op], s->chunk[op]);
    if (s->share[op])
        return spa_fail(err, SPA_E_ILLEGAL, "operator '%s' is split and runs in chunks", name);
    if (!cost)
        return spa_fail(err, SPA_E_ILLEGAL,
                        "operator '%s' runs in chunks of %u: what that costs is not known", name,
                        s->chunk[op]);
    if (cost->kernel_ns >= 0) return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL, "operator '%s' cannot run in chunks of %u on %s", name,
                    s->chunk[op], costs->processors[s->processor[op]].name);
}

/* The parts of an operator that is split. */
static spa_status check_parts(const spa_schedule *s, const spa_costs *costs, size_t op,
                              spa_error *err)
{
    const char *name = costs->graph->ops[op].name;
    uint32_t p = s->processor[op], q = s->second[op], share = s->share[op];
    if (share >= SPA_TENTHS)
        return spa_fail(err, SPA_E_ILLEGAL,
                        "operator '%s': a share of %u tenths; 1 to %d are parts", name, share,
                        SPA_TENTHS - 1);
    if (q >= costs->n_processors || q == p)
        return spa_fail(err, SPA_E_ILLEGAL,
                        "operator '%s' is split between processor %u and %u; it takes two of %u",
                        name, p, q, costs->n_processors);
    if (spa_part_ns(costs, op, p, SPA_TENTHS - share) >= 0 && spa_part_ns(costs, op, q, share) >= 0)
        return SPA_OK;
    return spa_fail(err, SPA_E_ILLEGAL, "operator '%s' (%s) cannot be split between %s and %s",
                    name, spa_op_kind_name(costs->graph->ops[op].kind), costs->processors[p].name,
                    costs->processors[q].name);
}

static spa_status check_placement(const spa_schedule *s, const spa_costs *costs, size_t op,
                                  spa_error *err)
{
    const char *name = costs->graph->ops[op].name;
    uint8_t p = s->processor[op];
    if (p >= costs->n_processors)
        return spa_fail(err, SPA_E_ILLEGAL, "operator '%s' is placed on processor %u; there are %u",
                        name, p, costs->n_processors);
    if (s->lane[op] != SPA_LANE_ANY &&
        (s->lane[op] < 0 || (uint32_t)s->lane[op] >= costs->processors[p].n_lanes))
        return spa_fail(err, SPA_E_ILLEGAL,
                        "operator '%s' is placed on lane %d of %s, which has %u", name, s->lane[op],
                        costs->processors[p].name, costs->processors[p].n_lanes);
    if (!spa_cost_can_run(costs, op, p) && costs->graph->ops[op].kind != SPA_OP_RESHAPE)
        return spa_fail(err, SPA_E_ILLEGAL, "operator '%s' cannot run on %s", name,
                        costs->processors[p].name);
    if (s->chunk[op]) SPA_TRY(check_chunk(s, costs, op, err));
    if (s->share[op]) return check_parts(s, costs, op, err);
    return SPA_OK;
}

spa_status spa_schedule_check(const spa_schedule *s, const spa_costs *costs, spa_error *err)
{
    const spa_graph *graph = costs->graph;
    spa_status status = SPA_OK;
    uint8_t *seen = NULL;
    if (s->n_ops != graph->n_ops)
        return spa_fail(err, SPA_E_ILLEGAL, "the schedule has %zu operators, the graph %zu",
                        s->n_ops, graph->n_ops);
    SPA_TRY(spa_alloc(&seen, graph->n_ops, 1, err));
    for (size_t i = 0; i < s->n_ops; i++) {
        uint32_t op = s->order[i];
        if (op >= s->n_ops || seen[op]) {
            status = op >= s->n_ops
                         ? spa_fail(err, SPA_E_ILLEGAL,
                                    "order names operator number %u, which is not there", op)
                         : spa_fail(err, SPA_E_ILLEGAL, "operator '%s' stands in the order twice",
                                    graph->ops[op].name);
            goto out;
        }
        for (uint32_t k = 0; k < graph->ops[op].n_inputs; k++) {
            int32_t producer = graph->inputs[graph->ops[op].first_input + k];
            if (producer >= 0 && !seen[producer]) {
                status = spa_fail(err, SPA_E_ILLEGAL, "operator '%s' comes before its input '%s'",
                                  graph->ops[op].name, graph->ops[producer].name);
                goto out;
            }
        }
        seen[op] = 1;
        if ((status = check_placement(s, costs, op, err))) goto out;
    }
out:
    free(seen);
    return status;
}

/* ---- from events ----------------------------------------------------------------------------- */

void spa_schedule_note_place(spa_schedule *s, const spa_event *place, size_t *placed)
{
    uint32_t op = place->op;
    if (place->tenths && s->share[op]) { /* the part that it gives away */
        s->second[op] = place->processor;
        return;
    }
    if (*placed >= s->n_ops) return;
    if (place->tenths) s->share[op] = (uint8_t)(SPA_TENTHS - place->tenths);
    s->processor[op] = place->processor;
    s->lane[op] = (int8_t)place->lane;
    s->order[(*placed)++] = op;
}

/* ---- CSV ------------------------------------------------------------------------------------- */

spa_status spa_schedule_put_csv(const spa_schedule *s, const spa_costs *costs, spa_string *out,
                                spa_error *err)
{
    const spa_graph *graph = costs->graph;
    SPA_TRY(spa_schedule_check(s, costs, err)); /* a file that cannot be read back is no use */
    spa_string_append(out, "# schedule for %s batch %d dtype %s hash %016" PRIx64 "\n", graph->name,
                      graph->batch, spa_dtype_name(graph->dtype), graph->hash);
    bool splits = spa_schedule_splits(s), chunks = spa_schedule_chunks(s);
    spa_string_append(out, "op,processor,lane%s%s\n", splits ? ",second,share" : "",
                      chunks ? ",chunk" : "");
    for (size_t i = 0; i < s->n_ops; i++) { /* rows in dispatch order */
        uint32_t op = s->order[i];
        spa_csv_put(out, graph->ops[op].name);
        spa_string_append(out, ",");
        spa_csv_put(out, costs->processors[s->processor[op]].name);
        spa_string_append(out, ",");
        if (s->lane[op] != SPA_LANE_ANY) spa_string_append(out, "%d", s->lane[op]);
        if (splits) spa_string_append(out, ",");
        if (s->share[op]) spa_csv_put(out, costs->processors[s->second[op]].name);
        if (splits) spa_string_append(out, ",");
        if (s->share[op]) spa_string_append(out, "%u", s->share[op]);
        if (chunks) spa_string_append(out, ",");
        if (s->chunk[op]) spa_string_append(out, "%u", s->chunk[op]);
        spa_string_append(out, "\n");
    }
    return spa_string_ok(out, err);
}

spa_status spa_schedule_write_csv(const spa_schedule *s, const spa_costs *costs, const char *path,
                                  spa_error *err)
{
    spa_string text = {0};
    spa_status status = spa_schedule_put_csv(s, costs, &text, err);
    if (!status) status = spa_write_file(path, text.text, text.length, err);
    spa_string_fini(&text);
    return status;
}

/* The hash stands in the comment line; a schedule for another graph is refused. */
static spa_status check_hash(const char *text, size_t size, const spa_graph *graph,
                             const char *path, spa_error *err)
{
    char line[1024] = "", *at;
    const char *end = memchr(text, '\n', size);
    uint64_t hash;
    int length = 0;
    if (end && (size_t)(end - text) < sizeof line) memcpy(line, text, (size_t)(end - text));
    at = strstr(line, " hash ");
    while (at && strstr(at + 1, " hash ")) at = strstr(at + 1, " hash "); /* names hold anything */
    if (line[0] != '#' || !at || strspn(at + 6, "0123456789abcdef") != 16 ||
        sscanf(at, " hash %16" SCNx64 "%n", &hash, &length) != 1 ||
        at[length + strspn(at + length, "\r")] != '\0')
        return spa_fail_at(err, SPA_E_PARSE, path, 1,
                           "the first line must be '# schedule for MODEL ... hash HASH', the hash "
                           "16 digits 0-9a-f");
    if (hash != graph->hash)
        return spa_fail_at(err, SPA_E_INVALID, path, 1,
                           "the schedule is for another graph (hash %016" PRIx64
                           "; %s batch %d %s has %016" PRIx64 ")",
                           hash, graph->name, graph->batch, spa_dtype_name(graph->dtype),
                           graph->hash);
    return SPA_OK;
}

/* Nearest operator name, or NULL. O(operators); only for messages. */
static const char *nearest_op(const spa_graph *graph, const char *name)
{
    const char **names = NULL, *near = NULL;
    if (spa_alloc(&names, graph->n_ops, sizeof *names, NULL)) return NULL;
    for (size_t i = 0; i < graph->n_ops; i++) names[i] = graph->ops[i].name;
    int i = spa_nearest_name(name, names, graph->n_ops);
    if (i >= 0) near = names[i];
    free(names);
    return near;
}

static spa_status read_processor(const spa_costs *costs, const spa_csv *csv, size_t row, int column,
                                 uint8_t *out, spa_error *err)
{
    const char *names[SPA_MAX_PROCESSORS], *name = spa_csv_cell(csv, row, column);
    spa_error unknown;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        names[p] = costs->processors[p].name;
        *out = (uint8_t)p;
        if (strcmp(names[p], name) == 0) return SPA_OK;
    }
    spa_fail_unknown(&unknown, "processor", name, names, costs->n_processors);
    return spa_csv_fail(csv, row, column, err, "%s", unknown.message);
}

enum {
    COLUMN_OP,
    COLUMN_PROCESSOR,
    COLUMN_LANE,
    COLUMN_SECOND,
    COLUMN_SHARE,
    COLUMN_CHUNK,
    N_COLUMNS
};
static const char *const columns[N_COLUMNS] = {"op",     "processor", "lane",
                                               "second", "share",     "chunk"};

/* Both cells of a split are given, or neither. */
static spa_status read_split(spa_schedule *s, const spa_costs *costs, const spa_csv *csv,
                             size_t row, const int column[N_COLUMNS], size_t op, spa_error *err)
{
    int64_t share;
    if (column[COLUMN_SHARE] < 0 || column[COLUMN_SECOND] < 0) {
        if (column[COLUMN_SHARE] == column[COLUMN_SECOND]) return SPA_OK;
        return spa_fail_at(err, SPA_E_PARSE, csv->path, 0,
                           "columns 'second' and 'share' belong together; one of them is missing");
    }
    SPA_TRY(spa_csv_i64_or(csv, row, column[COLUMN_SHARE], 0, 1, SPA_TENTHS - 1, &share, err));
    s->share[op] = (uint8_t)share;
    if (share) return read_processor(costs, csv, row, column[COLUMN_SECOND], &s->second[op], err);
    if (*spa_csv_cell(csv, row, column[COLUMN_SECOND]) == '\0') return SPA_OK;
    return spa_csv_fail(csv, row, column[COLUMN_SECOND], err,
                        "a second processor without a share; give 1 to %d tenths, or leave both "
                        "cells empty",
                        SPA_TENTHS - 1);
}

static spa_status read_chunk(spa_schedule *s, const spa_csv *csv, size_t row, int column, size_t op,
                             spa_error *err)
{
    int64_t chunk;
    if (column < 0) return SPA_OK;
    SPA_TRY(spa_csv_i64_or(csv, row, column, 0, 1, UINT16_MAX, &chunk, err));
    s->chunk[op] = (uint16_t)chunk;
    return SPA_OK;
}

static spa_status read_row(spa_schedule *s, const spa_costs *costs, const spa_csv *csv, size_t row,
                           const int column[N_COLUMNS], spa_error *err)
{
    const char *name = spa_csv_cell(csv, row, column[COLUMN_OP]), *near;
    int32_t op = spa_graph_find(costs->graph, name);
    int64_t lane;
    if (op < 0) {
        near = nearest_op(costs->graph, name);
        return spa_csv_fail(csv, row, column[COLUMN_OP], err,
                            "the graph has no operator '%s'%s%s%s", name,
                            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    SPA_TRY(read_processor(costs, csv, row, column[COLUMN_PROCESSOR], &s->processor[op], err));
    SPA_TRY(spa_csv_i64_or(csv, row, column[COLUMN_LANE], SPA_LANE_ANY, 0,
                           costs->processors[s->processor[op]].n_lanes - 1, &lane, err));
    s->order[row] = (uint32_t)op;
    s->lane[op] = (int8_t)lane;
    SPA_TRY(read_chunk(s, csv, row, column[COLUMN_CHUNK], (size_t)op, err));
    return read_split(s, costs, csv, row, column, (size_t)op, err);
}

static spa_status read_rows(spa_schedule *s, const spa_costs *costs, const spa_csv *csv,
                            spa_error *err)
{
    int column[N_COLUMNS];
    SPA_TRY(spa_csv_expect(csv, columns, COLUMN_SECOND, columns + COLUMN_SECOND,
                           N_COLUMNS - COLUMN_SECOND, err));
    for (int i = 0; i < N_COLUMNS; i++) column[i] = spa_csv_column(csv, columns[i]);
    if (csv->n_rows != s->n_ops)
        return spa_fail_at(err, SPA_E_PARSE, csv->path, 0,
                           "%zu rows, but the graph has %zu operators", csv->n_rows, s->n_ops);
    for (size_t row = 0; row < csv->n_rows; row++)
        SPA_TRY(read_row(s, costs, csv, row, column, err));
    return SPA_OK;
}

spa_status spa_schedule_parse_csv(spa_schedule *s, const spa_costs *costs, const char *path,
                                  const char *text, size_t size, spa_error *err)
{
    spa_csv csv = {0};
    spa_status status;
    spa_error why = {0};
    memset(s, 0, sizeof *s);
    if ((status = check_hash(text, size, costs->graph, path, err))) goto out;
    if ((status = spa_csv_parse(&csv, path, text, size, err))) goto out;
    if ((status = spa_schedule_init(s, costs->n_ops, err))) goto out;
    if ((status = read_rows(s, costs, &csv, err))) goto out;
    if ((status = spa_schedule_check(s, costs, &why)))
        spa_fail_at(err, status, path, 0, "%s", why.message);
out:
    if (status) spa_schedule_fini(s);
    spa_csv_fini(&csv);
    return status;
}

spa_status spa_schedule_read_csv(spa_schedule *s, const spa_costs *costs, const char *path,
                                 spa_error *err)
{
    char *text = NULL;
    size_t size;
    memset(s, 0, sizeof *s);
    SPA_TRY(spa_read_file(path, SPA_CSV_MAX_BYTES, false, &text, &size, err));
    spa_status status = spa_schedule_parse_csv(s, costs, path, text, size, err);
    free(text);
    return status;
}
