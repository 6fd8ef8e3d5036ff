/* Trace folders: writing. What is written can be read: anything else is refused here. */
#include <stdlib.h>
#include <string.h>

#include "traces/trace_tables.h"

static void put_cell(spa_string *out, const char *text, char ending)
{
    spa_csv_put(out, text);
    spa_string_append(out, "%c", ending);
}

static void put_real(spa_string *out, double value, char ending)
{
    spa_put_double(out, value);
    spa_string_append(out, "%c", ending);
}

static void put_count(spa_string *out, int64_t value)
{
    if (value >= 0) spa_string_append(out, "%lld", (long long)value);
    spa_string_append(out, ",");
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : ""; /* which reading refuses where a name is needed */
}

/* ---- tables ------------------------------------------------------------------------------ */

static spa_status put_costs(const spa_trace_model *model, spa_string *out, spa_error *err)
{
    const spa_graph *graph = &model->graph;
    bool typical = false; /* the column stands there when something is in it */
    for (size_t i = 0; i < model->n_costs; i++) typical |= model->costs[i].typical_us > 0;
    spa_string_append(out,
                      "op,processor,backend,cores,batch,dtype,part,corun,samples,mean_us,"
                      "std_us,p50_us,p95_us,%senergy_uj,origin\n",
                      typical ? "typical_us," : "");
    for (size_t i = 0; i < model->n_costs; i++) {
        const spa_trace_cost *c = &model->costs[i];
        if (c->op < 0 || (size_t)c->op >= graph->n_ops)
            return spa_fail(err, SPA_E_INVALID, "a cost row for operator %d; graph '%s' has %zu",
                            (int)c->op, graph->name, graph->n_ops);
        put_cell(out, graph->ops[c->op].name, ',');
        put_cell(out, or_empty(c->processor), ',');
        put_cell(out, or_empty(c->backend), ',');
        spa_string_append(out, "%d,%d,%s,", (int)c->cores, (int)c->batch, spa_dtype_name(c->dtype));
        put_real(out, c->part, ',');
        put_cell(out, or_empty(c->corun), ',');
        put_count(out, c->samples > 0 ? c->samples : -1);
        put_real(out, c->mean_us, ',');
        put_real(out, c->std_us, ',');
        put_real(out, c->p50_us, ',');
        put_real(out, c->p95_us, ',');
        if (typical) put_real(out, c->typical_us > 0 ? c->typical_us : (double)NAN, ',');
        put_real(out, c->energy_uj, ',');
        spa_string_append(out, "%s\n", spa_origin_cell(c->origin));
    }
    return spa_string_ok(out, err);
}

static spa_status put_copies(const spa_trace_model *model, spa_string *out, spa_error *err)
{
    const spa_graph *graph = &model->graph;
    char text[32];
    spa_string_append(out, "tensor,from,from_backend,to,to_backend,batch,dtype,samples,copy_us,"
                           "read_us,origin\n");
    for (size_t i = 0; i < model->n_copies; i++) {
        const spa_trace_copy *c = &model->copies[i];
        if (c->tensor >= graph->n_ops + graph->n_graph_inputs)
            return spa_fail(err, SPA_E_INVALID, "a copy of tensor %zu; graph '%s' has %zu",
                            c->tensor, graph->name, graph->n_ops + graph->n_graph_inputs);
        put_cell(out, spa_tensor_name(graph, c->tensor, text), ',');
        put_cell(out, or_empty(c->from), ',');
        put_cell(out, or_empty(c->from_backend), ',');
        put_cell(out, or_empty(c->to), ',');
        put_cell(out, or_empty(c->to_backend), ',');
        spa_string_append(out, "%d,%s,", (int)c->batch, spa_dtype_name(c->dtype));
        put_count(out, c->samples > 0 ? c->samples : -1);
        put_real(out, c->copy_us, ',');
        put_real(out, c->read_us, ',');
        spa_string_append(out, "%s\n", spa_origin_cell(c->origin));
    }
    return spa_string_ok(out, err);
}

static spa_status put_links(const spa_trace *trace, spa_string *out, spa_error *err)
{
    spa_string_append(out, "from,to,bytes,latency_us,p50_us,bandwidth_gbs,origin\n");
    for (size_t i = 0; i < trace->n_links; i++) {
        const spa_trace_link *l = &trace->links[i];
        put_cell(out, or_empty(l->from), ',');
        put_cell(out, or_empty(l->to), ',');
        put_count(out, l->bytes);
        put_real(out, l->latency_us, ',');
        put_real(out, l->p50_us, ',');
        put_real(out, l->bandwidth_gbs, ',');
        spa_string_append(out, "%s\n", spa_origin_cell(l->origin));
    }
    return spa_string_ok(out, err);
}

static spa_status put_responses(const spa_trace *trace, spa_string *out, spa_error *err)
{
    spa_string_append(out, "processor,backend,kind,shape_class,input_zeros,speedup,origin\n");
    for (size_t i = 0; i < trace->n_responses; i++) {
        const spa_trace_response *r = &trace->responses[i];
        put_cell(out, or_empty(r->processor), ',');
        put_cell(out, or_empty(r->backend), ',');
        put_cell(out, spa_op_kind_name(r->kind), ',');
        put_cell(out, or_empty(r->shape_class), ',');
        put_real(out, r->input_zeros, ',');
        put_real(out, r->speedup, ',');
        spa_string_append(out, "%s\n", spa_origin_cell(r->origin));
    }
    return spa_string_ok(out, err);
}

/* ---- meta.ini ---------------------------------------------------------------------------- */

/* An INI value is one line; blanks at its ends and what follows a '#' after a blank are not part
 * of it. */
static spa_status put_text(spa_string *out, const char *key, const char *text, spa_error *err)
{
    if (text == NULL || text[0] == '\0') return SPA_OK; /* unknown: left out */
    size_t n = strlen(text);
    bool good =
        text[0] != ' ' && text[n - 1] != ' ' && text[0] != '#' && strstr(text, " #") == NULL;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ') good = false;
    if (!good)
        return spa_fail(err, SPA_E_INVALID,
                        "fingerprint: %s '%.200s' does not fit one INI value (control characters, "
                        "outer blanks or ' #')",
                        key, text);
    spa_string_append(out, "%s = %s\n", key, text);
    return SPA_OK;
}

static spa_status put_fingerprint(spa_string *out, const spa_fingerprint *f, spa_error *err)
{
    if (f->machine == NULL || f->machine[0] == '\0' || f->stack == NULL || f->stack[0] == '\0')
        return spa_fail(err, SPA_E_INVALID, "a trace needs a machine and a stack");
    spa_string_append(out, "\n[fingerprint]\n");
    SPA_TRY(put_text(out, "machine", f->machine, err));
    SPA_TRY(put_text(out, "stack", f->stack, err));
    SPA_TRY(put_text(out, "power_mode", f->power_mode, err));
    SPA_TRY(put_text(out, "driver", f->driver, err));
    SPA_TRY(put_text(out, "libraries", f->libraries, err));
    SPA_TRY(put_text(out, "clocks", f->clocks, err));
    SPA_TRY(put_text(out, "date", f->date, err));
    return put_text(out, "command", f->command, err);
}

static spa_status put_meta(const spa_trace *trace, spa_string *out, spa_error *err)
{
    char text[SPA_HASH_TEXT];
    if (trace->origin <= SPA_ORIGIN_UNKNOWN || trace->origin > SPA_ORIGIN_MEASURED)
        return spa_fail(err, SPA_E_INVALID,
                        "a trace without an origin; set measured, imported or modelled");
    if (trace->run_cv < 0 || trace->run_cv > 100)
        return spa_fail(err, SPA_E_RANGE, "run_cv %g; 0 to 100 are possible", trace->run_cv);
    spa_string_append(out, "[trace]\nformat = 1\norigin = %s\n", spa_origin_name(trace->origin));
    if (!isnan(trace->run_cv)) {
        spa_string_append(out, "run_cv = ");
        put_real(out, trace->run_cv, '\n');
    }
    SPA_TRY(put_fingerprint(out, &trace->fingerprint, err));
    spa_string_append(out, "\n[models]\n");
    if (trace->n_models == 0) return spa_fail(err, SPA_E_INVALID, "a trace without a model");
    for (size_t i = 0; i < trace->n_models; i++) {
        const spa_trace_model *model = &trace->models[i];
        if (!spa_is_file_name(or_empty(model->name)))
            return spa_fail(err, SPA_E_INVALID,
                            "'%.100s' is no model name: letters, digits, '.', '_' and '-'",
                            or_empty(model->name));
        spa_string_append(out, "%s = %s\n", model->name, spa_hash_text(model->graph.hash, text));
    }
    return spa_string_ok(out, err);
}

/* ---- the folder -------------------------------------------------------------------------- */

/* Which table a text is, so that it can be read back. */
typedef enum table_kind {
    TABLE_GRAPH,
    TABLE_COSTS,
    TABLE_COPIES,
    TABLE_LINKS,
    TABLE_RESPONSES
} table_kind;

/* The reader has the rules; what it refuses is not written. */
static spa_status read_back(table_kind kind, const char *path, const spa_string *text,
                            const spa_graph *graph, spa_error *err)
{
    spa_csv csv = {0};
    spa_graph copy = {0};
    spa_trace scratch = {0};
    spa_trace_cost *costs;
    spa_trace_copy *copies;
    size_t n;
    if (kind == TABLE_GRAPH) {
        SPA_TRY(spa_graph_parse_csv(&copy, path, text->text, text->length, err));
        spa_graph_fini(&copy);
        return SPA_OK;
    }
    SPA_TRY(spa_csv_parse(&csv, path, text->text, text->length, err));
    spa_arena_init(&scratch.arena);
    spa_status status =
        kind == TABLE_COSTS    ? spa_costs_from_csv(&csv, graph, &scratch.arena, &costs, &n, err)
        : kind == TABLE_COPIES ? spa_copies_from_csv(&csv, graph, &scratch.arena, &copies, &n, err)
        : kind == TABLE_LINKS
            ? spa_links_from_csv(&csv, &scratch.arena, &scratch.links, &n, err)
            : spa_responses_from_csv(&csv, &scratch.arena, &scratch.responses, &n, err);
    spa_arena_fini(&scratch.arena);
    spa_csv_fini(&csv);
    return status;
}

/* Makes, checks and writes one table; `model` is the one it belongs to (graph, costs). */
static spa_status write_table(table_kind kind, const spa_trace *trace, const spa_trace_model *model,
                              const char *folder, const char *stem, const char *ending,
                              spa_error *err)
{
    char *path = NULL;
    spa_string text = {0};
    SPA_TRY(spa_trace_file(&path, folder, stem, ending, err));
    spa_status status = kind == TABLE_GRAPH    ? spa_graph_put_csv(&model->graph, &text, err)
                        : kind == TABLE_COSTS  ? put_costs(model, &text, err)
                        : kind == TABLE_COPIES ? put_copies(model, &text, err)
                        : kind == TABLE_LINKS  ? put_links(trace, &text, err)
                                               : put_responses(trace, &text, err);
    if (status == SPA_OK)
        status = read_back(kind, path, &text, model != NULL ? &model->graph : NULL, err);
    if (status == SPA_OK) status = spa_write_file(path, text.text, text.length, err);
    spa_string_fini(&text);
    free(path);
    return status;
}

static spa_status write_meta(const spa_string *meta, const char *folder, spa_error *err)
{
    char *path = NULL;
    SPA_TRY(spa_trace_file(&path, folder, "meta", ".ini", err));
    spa_status status = spa_write_file(path, meta->text, meta->length, err);
    free(path);
    return status;
}

/* meta.ini goes last: a new folder that was not written to its end does not read as a trace, and
 * in an old one the hashes tell. */
spa_status spa_trace_write(const spa_trace *trace, const char *folder, spa_error *err)
{
    spa_string meta = {0};
    spa_status status = put_meta(trace, &meta, err);
    if (status == SPA_OK) status = spa_make_dirs(folder, err);
    for (size_t i = 0; i < trace->n_models && status == SPA_OK; i++) {
        const spa_trace_model *model = &trace->models[i];
        status = write_table(TABLE_GRAPH, trace, model, folder, model->name, ".graph.csv", err);
        if (status == SPA_OK)
            status = write_table(TABLE_COSTS, trace, model, folder, model->name, ".costs.csv", err);
        if (status == SPA_OK)
            status =
                write_table(TABLE_COPIES, trace, model, folder, model->name, ".copies.csv", err);
    }
    if (status == SPA_OK)
        status = write_table(TABLE_LINKS, trace, NULL, folder, "links", ".csv", err);
    if (status == SPA_OK)
        status = write_table(TABLE_RESPONSES, trace, NULL, folder, "response", ".csv", err);
    if (status == SPA_OK) status = write_meta(&meta, folder, err);
    spa_string_fini(&meta);
    return status;
}
