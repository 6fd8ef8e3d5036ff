/* *.graph.csv: one row per operator, in topological order (docs/formats.md).
 *
 * The first row has kind "graph" and carries what the whole graph has (batch, dtype, how many
 * operators follow, so that a truncated file is noticed); rows of kind "input", named @0, @1, ...
 * are the input tensors. Everything that follows from kind, shapes and attributes is written for
 * the reader's eyes and checked when read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/table.h"

enum {
    COL_NAME,
    COL_KIND,
    COL_INPUTS,
    COL_OUT,
    COL_ATTRS,
    N_REQUIRED,
    COL_IN = N_REQUIRED,
    COL_FLAGS,
    COL_MACS,
    COL_BYTES_IN,
    COL_BYTES_WEIGHT,
    COL_BYTES_OUT,
    COL_SPARSITY,
    COL_INPUT_SPARSITY,
    COL_WEIGHT_SPARSITY,
    COL_RHO_ORIGIN,
    COL_STREAM,
    COL_STEPS,
    N_COLUMNS
};

static const char *const column_names[N_COLUMNS] = {"name",           "kind",
                                                    "inputs",         "out",
                                                    "attrs",          "in",
                                                    "flags",          "macs",
                                                    "bytes_in",       "bytes_weight",
                                                    "bytes_out",      "sparsity",
                                                    "input_sparsity", "weight_sparsity",
                                                    "rho_origin",     "stream",
                                                    "steps"};

/* The order in the file: what one reads first comes first. */
static const char header[] = "name,kind,inputs,in,out,attrs,flags,macs,bytes_in,bytes_weight,"
                             "bytes_out,sparsity,input_sparsity,weight_sparsity,rho_origin";
/* Only in graphs that were rewritten: others keep their bytes. */
static const char header_rewritten[] = ",stream,steps";

/* ---- writing ----------------------------------------------------------------------------- */

static void put_shapes(spa_string *out, const spa_graph *graph, const spa_op *op)
{
    char text[SPA_SHAPE_TEXT];
    for (uint32_t i = 0; i < op->n_inputs; i++)
        spa_string_append(out, "%s%s", i > 0 ? " " : "",
                          spa_shape_text(spa_graph_input_shape(graph, op, i), text));
}

static void put_inputs(spa_string *out, const spa_graph *graph, const spa_op *op)
{
    for (uint32_t i = 0; i < op->n_inputs; i++) {
        int32_t from = graph->inputs[op->first_input + i];
        const char *blank = i > 0 ? " " : "";
        if (from < 0)
            spa_string_append(out, "%s@%d", blank, (int)~from);
        else
            spa_string_append(out, "%s%s", blank, graph->ops[from].name);
    }
}

static spa_status put_op(spa_string *out, const spa_graph *graph, const spa_op *op, bool rewritten,
                         spa_error *err)
{
    spa_string attrs = {0};
    char text[SPA_SHAPE_TEXT];
    if (!isnan(op->sparsity) && op->rho_origin == SPA_ORIGIN_UNKNOWN)
        return spa_fail(err, SPA_E_INVALID,
                        "operator '%s' has a sparsity without an origin; set rho_origin", op->name);
    if (op->sparsity < 0 || op->sparsity > 1 || op->weight_sparsity < 0 || op->weight_sparsity > 1)
        return spa_fail(err, SPA_E_RANGE, "operator '%s': a sparsity outside 0 to 1", op->name);
    spa_string_append(out, "%s,%s,", op->name, spa_op_kind_name(op->kind));
    put_inputs(out, graph, op);
    spa_string_append(out, ",");
    put_shapes(out, graph, op);
    spa_string_append(out, ",%s,", spa_shape_text(&op->out, text));
    spa_attrs_put(&attrs, op);
    spa_status status = spa_string_ok(&attrs, err);
    spa_csv_put(out, attrs.text != NULL ? attrs.text : "");
    spa_string_fini(&attrs);
    spa_string_append(out, ",%s,%lld,%lld,%lld,%lld,", op->flags & SPA_OP_PULLED ? "pulled" : "",
                      (long long)op->macs, (long long)op->bytes_in, (long long)op->bytes_weight,
                      (long long)op->bytes_out);
    spa_put_double(out, op->sparsity);
    spa_string_append(out, ",");
    spa_put_double(out, op->input_sparsity);
    spa_string_append(out, ",");
    spa_put_double(out, op->weight_sparsity);
    spa_string_append(out, ",%s", spa_origin_cell(op->rho_origin));
    if (rewritten) spa_string_append(out, ",%u,", (unsigned)op->stream);
    spa_steps_put(out, op);
    spa_string_append(out, "\n");
    return status;
}

spa_status spa_graph_put_csv(const spa_graph *graph, spa_string *out, spa_error *err)
{
    char text[SPA_SHAPE_TEXT];
    if (graph->name == NULL || graph->name[0] == '\0')
        return spa_fail(err, SPA_E_INVALID, "the graph has no name");
    bool rewritten = spa_op_is_rewritten(graph);
    const char *tail = rewritten ? ",," : "";
    spa_string_append(out, "%s%s\n", header, rewritten ? header_rewritten : "");
    spa_csv_put(out, graph->name);
    spa_string_append(out, ",graph,,,,batch=%d dtype=%s operators=%zu,,%lld,,,,,,,%s\n",
                      (int)graph->batch, spa_dtype_name(graph->dtype), graph->n_ops,
                      (long long)graph->total_macs, tail);
    for (size_t i = 0; i < graph->n_graph_inputs; i++) {
        spa_string_append(out, "@%zu,input,,,%s,,,,,,,", i,
                          spa_shape_text(&graph->graph_inputs[i], text));
        spa_put_double(out, graph->graph_input_sparsity);
        spa_string_append(out, ",,,%s\n", tail);
    }
    for (size_t i = 0; i < graph->n_ops; i++)
        SPA_TRY(put_op(out, graph, &graph->ops[i], rewritten, err));
    return spa_string_ok(out, err);
}

spa_status spa_graph_write_csv(const spa_graph *graph, const char *path, spa_error *err)
{
    spa_string out = {0};
    spa_status status = spa_graph_put_csv(graph, &out, err);
    if (status == SPA_OK) status = spa_write_file(path, out.text, out.length, err);
    spa_string_fini(&out);
    return status;
}

/* ---- reading ----------------------------------------------------------------------------- */

typedef struct reader {
    const spa_csv *csv;
    int col[N_COLUMNS];
    spa_graph *graph;
    int64_t n_promised, macs_promised; /* -1 = the file does not say */
} reader;

static const char *cell(const reader *r, size_t row, int column)
{
    return spa_csv_cell(r->csv, row, r->col[column]);
}

static spa_status need_empty(const reader *r, size_t row, const int *columns, size_t n,
                             spa_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (cell(r, row, columns[i])[0] != '\0')
            return spa_csv_fail(r->csv, row, r->col[columns[i]], err,
                                "must be empty in a row of kind '%s'", cell(r, row, COL_KIND));
    return SPA_OK;
}

/* "batch=1 dtype=fp32 operators=69", each once, in any order. */
static spa_status read_graph_attrs(reader *r, spa_error *err)
{
    static const char *const names[] = {"batch", "dtype", "operators"};
    const char *text = cell(r, 0, COL_ATTRS);
    char word[64], *value;
    unsigned seen = 0;
    bool cut;
    while (spa_next_word(&text, word, sizeof word, &cut)) {
        spa_error why = {0};
        int64_t number = 0;
        value = strchr(word, '=');
        if (value != NULL) *value++ = '\0';
        unsigned i = 0;
        while (i < 3 && strcmp(word, names[i]) != 0) i++;
        if (i == 3 || value == NULL || (seen & 1u << i) != 0)
            return spa_csv_fail(r->csv, 0, r->col[COL_ATTRS], err,
                                "'%s'; write batch=1 dtype=fp32 operators=N", word);
        seen |= 1u << i;
        if (i == 1) {
            bool half = strcmp(value, "fp16") == 0;
            if (!half && strcmp(value, "fp32") != 0) {
                spa_fail_unknown(&why, "dtype", value, spa_dtype_words, 2);
                return spa_csv_pass(r->csv, 0, r->col[COL_ATTRS], &why, err);
            }
            r->graph->dtype = half ? SPA_FP16 : SPA_FP32;
            continue;
        }
        int64_t most = i == 0 ? SPA_MAX_DIM : (int64_t)SPA_MAX_OPERATORS;
        if (spa_parse_i64_in(value, i == 0 ? 1 : 0, most, &number, &why) != SPA_OK)
            return spa_csv_pass(r->csv, 0, r->col[COL_ATTRS], &why, err);
        if (i == 0) r->graph->batch = (int32_t)number;
        if (i == 2) r->n_promised = number;
    }
    if (seen != 7)
        return spa_csv_fail(r->csv, 0, r->col[COL_ATTRS], err,
                            "'%s' is missing; write batch=1 dtype=fp32 operators=N",
                            names[(seen & 1) == 0   ? 0
                                  : (seen & 2) == 0 ? 1
                                                    : 2]);
    return SPA_OK;
}

static spa_status read_graph_row(reader *r, spa_error *err)
{
    static const int empty[] = {
        COL_INPUTS,       COL_IN,        COL_OUT,      COL_FLAGS,          COL_BYTES_IN,
        COL_BYTES_WEIGHT, COL_BYTES_OUT, COL_SPARSITY, COL_INPUT_SPARSITY, COL_WEIGHT_SPARSITY,
        COL_RHO_ORIGIN,   COL_STREAM,    COL_STEPS};
    if (r->csv->n_rows == 0 || strcmp(cell(r, 0, COL_KIND), "graph") != 0)
        return spa_csv_fail(r->csv, 0, r->csv->n_rows == 0 ? -1 : r->col[COL_KIND], err,
                            "the first row must have kind 'graph' and attributes batch=1 "
                            "dtype=fp32 operators=N");
    if (cell(r, 0, COL_NAME)[0] == '\0')
        return spa_csv_fail(r->csv, 0, r->col[COL_NAME], err, "the graph has no name");
    SPA_TRY(need_empty(r, 0, empty, sizeof empty / sizeof empty[0], err));
    r->graph->name = cell(r, 0, COL_NAME);
    SPA_TRY(read_graph_attrs(r, err));
    return spa_csv_i64_or(r->csv, 0, r->col[COL_MACS], -1, 0, INT64_MAX, &r->macs_promised, err);
}

static spa_status read_input_row(reader *r, size_t row, spa_error *err)
{
    static const int empty[] = {
        COL_INPUTS,     COL_ATTRS,        COL_IN,        COL_FLAGS,          COL_MACS,
        COL_BYTES_IN,   COL_BYTES_WEIGHT, COL_BYTES_OUT, COL_INPUT_SPARSITY, COL_WEIGHT_SPARSITY,
        COL_RHO_ORIGIN, COL_STREAM,       COL_STEPS};
    spa_graph *graph = r->graph;
    size_t k = graph->n_graph_inputs;
    char name[24];
    spa_error why = {0};
    double sparsity;
    snprintf(name, sizeof name, "@%zu", k);
    if (k == sizeof graph->graph_inputs / sizeof graph->graph_inputs[0])
        return spa_csv_fail(r->csv, row, r->col[COL_KIND], err, "more than %zu inputs", k);
    if (strcmp(cell(r, row, COL_NAME), name) != 0)
        return spa_csv_fail(r->csv, row, r->col[COL_NAME], err, "input %zu must be named '%s'", k,
                            name);
    SPA_TRY(need_empty(r, row, empty, sizeof empty / sizeof empty[0], err));
    spa_status status = spa_shape_parse(cell(r, row, COL_OUT), &graph->graph_inputs[k], &why);
    if (status != SPA_OK) return spa_csv_pass(r->csv, row, r->col[COL_OUT], &why, err);
    if (graph->graph_inputs[k].rank == 0)
        return spa_csv_fail(r->csv, row, r->col[COL_OUT], err, "an input needs a shape");
    SPA_TRY(
        spa_csv_double_or(r->csv, row, r->col[COL_SPARSITY], (double)NAN, 0, 1, &sparsity, err));
    bool same = sparsity == graph->graph_input_sparsity ||
                (isnan(sparsity) && isnan(graph->graph_input_sparsity));
    if (k > 0 && !same)
        return spa_csv_fail(r->csv, row, r->col[COL_SPARSITY], err,
                            "all inputs must have the same sparsity");
    graph->graph_input_sparsity = sparsity == 0 ? 0.0 : sparsity; /* -0 */
    graph->n_graph_inputs++;
    return SPA_OK;
}

/* Producers by name; what is not there yet would make a cycle or break the order. */
static spa_status read_inputs(const reader *r, size_t row, int32_t *inputs, size_t *n,
                              spa_error *err)
{
    const char *text = cell(r, row, COL_INPUTS), *name = cell(r, row, COL_NAME);
    char word[300];
    bool cut;
    *n = 0;
    while (spa_next_word(&text, word, sizeof word, &cut)) {
        int64_t k = -1;
        int32_t from = -1;
        if (*n == SPA_MAX_OP_INPUTS)
            return spa_csv_fail(r->csv, row, r->col[COL_INPUTS], err, "more than %d inputs",
                                SPA_MAX_OP_INPUTS);
        if (word[0] == '@') {
            size_t digits = strspn(word + 1, "0123456789");
            bool number = digits == 1 && word[2] == '\0' && spa_parse_i64(word + 1, &k);
            if (!number || (size_t)k >= r->graph->n_graph_inputs)
                return spa_csv_fail(r->csv, row, r->col[COL_INPUTS], err,
                                    "'%.100s' of '%.100s': the graph has %zu inputs, @0 first",
                                    word, name, r->graph->n_graph_inputs);
            from = SPA_GRAPH_INPUT(k);
        } else {
            from = cut ? -1 : spa_graph_find(r->graph, word);
            if (from < 0)
                return spa_csv_fail(r->csv, row, r->col[COL_INPUTS], err,
                                    "input '%.100s' of '%.100s' comes later or is not there: "
                                    "operators must be in topological order",
                                    word, name);
        }
        inputs[(*n)++] = from;
    }
    return SPA_OK;
}

static spa_status read_kind(const reader *r, size_t row, spa_op_kind *kind, spa_error *err)
{
    const char *names[SPA_OP_KIND_COUNT];
    int index = 0;
    for (int k = 0; k < SPA_OP_KIND_COUNT; k++) names[k] = spa_op_kind_name((spa_op_kind)k);
    SPA_TRY(spa_csv_word(r->csv, row, r->col[COL_KIND], "operator kind", names, SPA_OP_KIND_COUNT,
                         -1, &index, err));
    *kind = (spa_op_kind)index;
    return SPA_OK;
}

static spa_status read_sparsity(const reader *r, size_t row, spa_op *op, spa_error *err)
{
    int origin = 0;
    SPA_TRY(spa_csv_double_or(r->csv, row, r->col[COL_SPARSITY], (double)NAN, 0, 1, &op->sparsity,
                              err));
    SPA_TRY(spa_csv_double_or(r->csv, row, r->col[COL_WEIGHT_SPARSITY], (double)NAN, 0, 1,
                              &op->weight_sparsity, err));
    if (op->sparsity == 0) op->sparsity = 0.0; /* -0 would be written as such */
    if (op->weight_sparsity == 0) op->weight_sparsity = 0.0;
    SPA_TRY(spa_csv_word(r->csv, row, r->col[COL_RHO_ORIGIN], "origin", spa_origin_words,
                         SPA_ORIGIN_COUNT, SPA_ORIGIN_UNKNOWN, &origin, err));
    op->rho_origin = (spa_origin)origin;
    if (!isnan(op->sparsity) && op->rho_origin == SPA_ORIGIN_UNKNOWN)
        return spa_csv_fail(r->csv, row, r->col[COL_RHO_ORIGIN], err,
                            "a sparsity needs an origin: assumed, modelled, imported or measured");
    return SPA_OK;
}

static spa_status check_number(const reader *r, size_t row, int column, int64_t is, spa_error *err)
{
    int64_t said;
    SPA_TRY(spa_csv_i64_or(r->csv, row, r->col[column], is, 0, INT64_MAX, &said, err));
    if (said == is) return SPA_OK;
    return spa_csv_fail(r->csv, row, r->col[column], err,
                        "%lld, but kind, shapes and attributes give %lld; correct the row or leave "
                        "this cell empty",
                        (long long)said, (long long)is);
}

/* Derived cells may be empty; what they say must be so. */
static spa_status check_derived(const reader *r, size_t row, const spa_op *op, spa_error *err)
{
    const char *said = cell(r, row, COL_IN);
    if (said[0] != '\0') {
        spa_string shapes = {0};
        put_shapes(&shapes, r->graph, op);
        spa_status status = spa_string_ok(&shapes, err);
        if (status == SPA_OK && strcmp(said, shapes.text != NULL ? shapes.text : "") != 0)
            status = spa_csv_fail(r->csv, row, r->col[COL_IN], err,
                                  "'%.200s', but its inputs have %.200s; correct the row or leave "
                                  "this cell empty",
                                  said, shapes.text != NULL ? shapes.text : "none");
        spa_string_fini(&shapes);
        SPA_TRY(status);
    }
    SPA_TRY(check_number(r, row, COL_MACS, op->macs, err));
    SPA_TRY(check_number(r, row, COL_BYTES_IN, op->bytes_in, err));
    SPA_TRY(check_number(r, row, COL_BYTES_WEIGHT, op->bytes_weight, err));
    return check_number(r, row, COL_BYTES_OUT, op->bytes_out, err);
}

static spa_status read_op_row(reader *r, size_t row, spa_error *err)
{
    int32_t inputs[SPA_MAX_OP_INPUTS], index;
    size_t n_inputs;
    spa_op_kind kind;
    spa_op_attrs attrs;
    spa_shape out;
    spa_error why = {0};
    spa_op_step steps[SPA_MAX_STEPS];
    spa_fusion fusion = {.steps = steps};
    int64_t stream;
    SPA_TRY(read_kind(r, row, &kind, err));
    SPA_TRY(read_inputs(r, row, inputs, &n_inputs, err));
    if (spa_shape_parse(cell(r, row, COL_OUT), &out, &why) != SPA_OK)
        return spa_csv_pass(r->csv, row, r->col[COL_OUT], &why, err);
    if (spa_steps_parse(cell(r, row, COL_STEPS), steps, &fusion.n_steps, &why) != SPA_OK)
        return spa_csv_pass(r->csv, row, r->col[COL_STEPS], &why, err);
    SPA_TRY(spa_csv_i64_or(r->csv, row, r->col[COL_STREAM], (int64_t)r->graph->n_ops, 0,
                           (int64_t)SPA_MAX_OPERATORS, &stream, err));
    fusion.stream = (uint32_t)stream;
    size_t operands = spa_steps_operands(steps, fusion.n_steps);
    size_t n_own = n_inputs > operands ? n_inputs - operands : 0;
    if (spa_attrs_parse(cell(r, row, COL_ATTRS), kind, n_own, &attrs, &why) != SPA_OK)
        return spa_csv_pass(r->csv, row, r->col[COL_ATTRS], &why, err);
    if (spa_graph_add_fused(r->graph, cell(r, row, COL_NAME), kind, &attrs, inputs, n_inputs, &out,
                            &fusion, &index, &why) != SPA_OK)
        return spa_csv_pass(r->csv, row, -1, &why, err);
    spa_op *op = &r->graph->ops[index];
    const char *flags = cell(r, row, COL_FLAGS);
    if (strcmp(flags, "pulled") == 0)
        op->flags = SPA_OP_PULLED;
    else if (flags[0] != '\0')
        return spa_csv_fail(r->csv, row, r->col[COL_FLAGS], err,
                            "unknown flag '%.60s'; known: pulled", flags);
    SPA_TRY(read_sparsity(r, row, op, err));
    return check_derived(r, row, op, err);
}

/* After the sparsities are complete. Tolerant by rounding: another program may have summed in
 * another order. */
static spa_status check_input_sparsities(const reader *r, size_t first_row, spa_error *err)
{
    for (size_t i = 0; i < r->graph->n_ops; i++) {
        double said, is = r->graph->ops[i].input_sparsity;
        SPA_TRY(spa_csv_double_or(r->csv, first_row + i, r->col[COL_INPUT_SPARSITY], (double)NAN, 0,
                                  1, &said, err));
        if (isnan(said) || fabs(said - is) <= 1e-9) continue;
        return spa_csv_fail(r->csv, first_row + i, r->col[COL_INPUT_SPARSITY], err,
                            "%g, but the sparsities of its inputs give %g; correct the row or "
                            "leave this cell empty",
                            said, is);
    }
    return SPA_OK;
}

static spa_status read_rows(reader *r, spa_error *err)
{
    const spa_csv *csv = r->csv;
    spa_error why = {0};
    for (int c = 0; c < N_COLUMNS; c++) r->col[c] = spa_csv_column(csv, column_names[c]);
    SPA_TRY(read_graph_row(r, err));
    size_t row = 1;
    for (; row < csv->n_rows && strcmp(cell(r, row, COL_KIND), "input") == 0; row++)
        SPA_TRY(read_input_row(r, row, err));
    size_t first_row = row;
    for (; row < csv->n_rows; row++) SPA_TRY(read_op_row(r, row, err));
    if ((int64_t)r->graph->n_ops != r->n_promised)
        return spa_csv_fail(csv, 0, r->col[COL_ATTRS], err,
                            "operators=%lld, but %zu follow; truncated?", (long long)r->n_promised,
                            r->graph->n_ops);
    if (spa_graph_finish(r->graph, &why) != SPA_OK) return spa_csv_pass(csv, 0, -1, &why, err);
    if (r->macs_promised >= 0 && r->macs_promised != r->graph->total_macs)
        return spa_csv_fail(csv, 0, r->col[COL_MACS], err,
                            "%lld, but the operators give %lld in all; correct it or leave it "
                            "empty",
                            (long long)r->macs_promised, (long long)r->graph->total_macs);
    return check_input_sparsities(r, first_row, err);
}

static spa_status read_table(spa_graph *graph, const spa_csv *csv, spa_error *err)
{
    reader r = {.csv = csv, .graph = graph, .n_promised = -1, .macs_promised = -1};
    spa_graph_init(graph, "", 1, SPA_FP32);
    spa_status status = spa_csv_expect(csv, column_names, N_REQUIRED, column_names + N_REQUIRED,
                                       N_COLUMNS - N_REQUIRED, err);
    if (status == SPA_OK) status = read_rows(&r, err);
    if (status != SPA_OK) spa_graph_fini(graph);
    return status;
}

spa_status spa_graph_parse_csv(spa_graph *graph, const char *path_for_messages, const char *text,
                               size_t size, spa_error *err)
{
    spa_csv csv = {0};
    *graph = (spa_graph){0};
    SPA_TRY(spa_csv_parse(&csv, path_for_messages, text, size, err));
    spa_status status = read_table(graph, &csv, err);
    spa_csv_fini(&csv);
    return status;
}

spa_status spa_graph_read_csv(spa_graph *graph, const char *path, spa_error *err)
{
    spa_csv csv = {0};
    *graph = (spa_graph){0};
    SPA_TRY(spa_csv_read(&csv, path, err));
    spa_status status = read_table(graph, &csv, err);
    spa_csv_fini(&csv);
    return status;
}
