#include "sim/schedule.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/csv.h"
#include "base/text.h"

spa_status spa_schedule_init(spa_schedule *schedule, size_t n_ops, spa_error *err)
{
    spa_status status = SPA_OK;
    memset(schedule, 0, sizeof *schedule);
    if ((status = spa_alloc(&schedule->processor, n_ops, 1, err))) goto out;
    if ((status = spa_alloc(&schedule->lane, n_ops, 1, err))) goto out;
    if ((status = spa_alloc(&schedule->order, n_ops, sizeof *schedule->order, err))) goto out;
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
    memset(schedule, 0, sizeof *schedule);
}

void spa_schedule_copy(spa_schedule *to, const spa_schedule *from)
{
    memcpy(to->processor, from->processor, from->n_ops);
    memcpy(to->lane, from->lane, from->n_ops);
    memcpy(to->order, from->order, from->n_ops * sizeof *from->order);
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

/* ---- CSV ------------------------------------------------------------------------------------- */

spa_status spa_schedule_put_csv(const spa_schedule *s, const spa_costs *costs, spa_string *out,
                                spa_error *err)
{
    const spa_graph *graph = costs->graph;
    SPA_TRY(spa_schedule_check(s, costs, err)); /* a file that cannot be read back is no use */
    spa_string_append(out, "# schedule for %s batch %d dtype %s hash %016" PRIx64 "\n", graph->name,
                      graph->batch, spa_dtype_name(graph->dtype), graph->hash);
    spa_string_append(out, "op,processor,lane\n");
    for (size_t i = 0; i < s->n_ops; i++) { /* rows in dispatch order */
        uint32_t op = s->order[i];
        spa_csv_put(out, graph->ops[op].name);
        spa_string_append(out, ",");
        spa_csv_put(out, costs->processors[s->processor[op]].name);
        spa_string_append(out, ",");
        if (s->lane[op] != SPA_LANE_ANY) spa_string_append(out, "%d", s->lane[op]);
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

static spa_status read_row(spa_schedule *s, const spa_costs *costs, const spa_csv *csv, size_t row,
                           const int column[3], spa_error *err)
{
    const char *name = spa_csv_cell(csv, row, column[0]), *near;
    const char *processor = spa_csv_cell(csv, row, column[1]);
    const char *names[SPA_MAX_PROCESSORS];
    int32_t op = spa_graph_find(costs->graph, name);
    uint32_t p = 0;
    int64_t lane;
    if (op < 0) {
        near = nearest_op(costs->graph, name);
        return spa_csv_fail(csv, row, column[0], err, "the graph has no operator '%s'%s%s%s", name,
                            near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    for (uint32_t i = 0; i < costs->n_processors; i++) names[i] = costs->processors[i].name;
    while (p < costs->n_processors && strcmp(names[p], processor) != 0) p++;
    if (p == costs->n_processors) {
        spa_error unknown;
        spa_fail_unknown(&unknown, "processor", processor, names, costs->n_processors);
        return spa_csv_fail(csv, row, column[1], err, "%s", unknown.message);
    }
    SPA_TRY(spa_csv_i64_or(csv, row, column[2], SPA_LANE_ANY, 0, costs->processors[p].n_lanes - 1,
                           &lane, err));
    s->order[row] = (uint32_t)op;
    s->processor[op] = (uint8_t)p;
    s->lane[op] = (int8_t)lane;
    return SPA_OK;
}

static spa_status read_rows(spa_schedule *s, const spa_costs *costs, const spa_csv *csv,
                            spa_error *err)
{
    static const char *const columns[] = {"op", "processor", "lane"};
    int column[3];
    SPA_TRY(spa_csv_expect(csv, columns, 3, NULL, 0, err));
    for (int i = 0; i < 3; i++) column[i] = spa_csv_column(csv, columns[i]);
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
