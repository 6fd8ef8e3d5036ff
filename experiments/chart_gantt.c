#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/charts.h"
#include "experiments/gnuplot.h"

enum { WIDTH = 1000, LEFT = 120, RIGHT = 20, HEAD = 70, FOOT = 105, ROW_HEIGHT = 58 };
#define LETTER 6.0 /* pixels that a letter of a label takes */
enum { MAX_ROWS = SPA_MAX_LANES + SPA_MAX_LINKS };

typedef enum box_class {
    BOX_CONV,
    BOX_DEPTHWISE,
    BOX_MATRIX,
    BOX_POINTWISE,
    BOX_MOVE,
    BOX_DISPATCH,
    BOX_TRANSFER,
    BOX_CLASS_COUNT
} box_class;

static const struct {
    const char *title, *colour;
} classes[BOX_CLASS_COUNT] = {
    {"convolution", SPA_COLOUR_BLUE},     {"depthwise", SPA_COLOUR_SKY},
    {"linear, matmul", SPA_COLOUR_GREEN}, {"norm, activation, add", SPA_COLOUR_YELLOW},
    {"pool, move", SPA_COLOUR_PURPLE},    {"dispatch", SPA_COLOUR_GREY},
    {"transfer", SPA_COLOUR_VERMILLION},
};

static box_class class_of(const spa_graph *g, const spa_interval *i)
{
    if (i->kind == SPA_INTERVAL_DISPATCH) return BOX_DISPATCH;
    if (i->kind == SPA_INTERVAL_TRANSFER) return BOX_TRANSFER;
    const spa_op *op = &g->ops[i->op];
    switch (op->kind) {
    case SPA_OP_CONV:
        return spa_op_is_depthwise(g, op) ? BOX_DEPTHWISE : BOX_CONV;
    case SPA_OP_LINEAR:
    case SPA_OP_MATMUL:
        return BOX_MATRIX;
    case SPA_OP_BATCH_NORM:
    case SPA_OP_LAYER_NORM:
    case SPA_OP_RELU:
    case SPA_OP_RELU6:
    case SPA_OP_LEAKY_RELU:
    case SPA_OP_HARD_SWISH:
    case SPA_OP_HARD_SIGMOID:
    case SPA_OP_SIGMOID:
    case SPA_OP_GELU:
    case SPA_OP_SOFTMAX:
    case SPA_OP_ADD:
    case SPA_OP_MUL:
        return BOX_POINTWISE;
    default:
        return BOX_MOVE;
    }
}

/* Rows of the chart: used lanes in order, then used links. */
typedef struct rows {
    size_t count;
    uint8_t kind[MAX_ROWS], processor[MAX_ROWS], lane[MAX_ROWS];
} rows;

static int row_of(const rows *r, const spa_interval *i)
{
    uint8_t kind = i->kind == SPA_INTERVAL_TRANSFER;
    for (size_t k = 0; k < r->count; k++) {
        if (r->kind[k] == kind && r->processor[k] == i->processor && r->lane[k] == i->lane) {
            return (int)k;
        }
    }
    return -1;
}

static bool is_drawn(const spa_interval *i)
{
    return i->kind != SPA_INTERVAL_REQUEST && i->end_ns > i->begin_ns;
}

static int compare_rows(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void find_rows(rows *r, const spa_timeline *t, size_t n)
{
    uint32_t keys[MAX_ROWS];
    r->count = 0;
    for (size_t i = 0; i < n; i++) {
        const spa_interval *v = &t->intervals[i];
        if (!is_drawn(v) || row_of(r, v) >= 0 || r->count == MAX_ROWS) continue;
        r->kind[r->count] = v->kind == SPA_INTERVAL_TRANSFER;
        r->processor[r->count] = v->processor;
        r->lane[r->count++] = v->lane;
    }
    for (size_t k = 0; k < r->count; k++) {
        keys[k] = (uint32_t)r->kind[k] << 16 | (uint32_t)r->processor[k] << 8 | r->lane[k];
    }
    qsort(keys, r->count, sizeof *keys, compare_rows);
    for (size_t k = 0; k < r->count; k++) {
        r->kind[k] = (uint8_t)(keys[k] >> 16);
        r->processor[k] = (uint8_t)(keys[k] >> 8);
        r->lane[k] = (uint8_t)keys[k];
    }
}

static void put_row_names(spa_figure *f, const rows *r, const spa_costs *costs)
{
    spa_string_append(&f->data, "$rows << EOD\n");
    for (size_t k = 0; k < r->count; k++) {
        char name[160];
        const char *processor = costs->processors[r->processor[k]].name;
        if (r->kind[k]) {
            snprintf(name, sizeof name, "%.60s to %.60s", costs->processors[r->lane[k]].name,
                     processor);
        } else if (costs->processors[r->processor[k]].n_lanes > 1) {
            snprintf(name, sizeof name, "%.60s lane %u", processor, r->lane[k]);
        } else {
            snprintf(name, sizeof name, "%.60s", processor);
        }
        spa_string_append(&f->data, "%zu ", k);
        spa_figure_cell(&f->data, name);
        spa_string_append(&f->data, "\n");
    }
    spa_string_append(&f->data, "EOD\n");
}

/* The name, or its last part ("conv2" of "layer1.0.conv2"), or NULL when neither fits. */
static const char *fitting_name(const char *name, double room)
{
    const char *dot = strrchr(name, '.');
    if ((double)strlen(name) * LETTER <= room) return name;
    bool says_something = dot && strspn(dot + 1, "0123456789") < strlen(dot + 1);
    return says_something && (double)strlen(dot + 1) * LETTER <= room ? dot + 1 : NULL;
}

/* Boxes: row, begin and end in ms, class; labels only where they fit. */
static void put_boxes(spa_figure *f, const spa_case *c, const rows *r, const spa_timeline *t,
                      size_t n, bool *used)
{
    double end_ms = 0;
    spa_string_append(&f->data, "$boxes << EOD\n");
    for (size_t i = 0; i < n; i++) {
        const spa_interval *v = &t->intervals[i];
        int row = is_drawn(v) ? row_of(r, v) : -1;
        if (row < 0) continue;
        box_class class = class_of(&c->graph, v);
        used[class] = true;
        if ((double)v->end_ns * 1e-6 > end_ms) end_ms = (double)v->end_ns * 1e-6;
        spa_string_append(&f->data, "%d %.6f %.6f %d\n", row, (double)v->begin_ns * 1e-6,
                          (double)v->end_ns * 1e-6, (int)class);
    }
    spa_string_append(&f->data, "EOD\n$names << EOD\n");
    double per_ms = end_ms > 0 ? (WIDTH - LEFT - RIGHT) / end_ms : 0;
    for (size_t i = 0; i < n; i++) {
        const spa_interval *v = &t->intervals[i];
        if (v->kind != SPA_INTERVAL_KERNEL || row_of(r, v) < 0) continue;
        double room = (double)(v->end_ns - v->begin_ns) * 1e-6 * per_ms - 4;
        const char *name = fitting_name(c->graph.ops[v->op].name, room);
        if (!name) continue;
        spa_string_append(&f->data, "%d %.6f ", row_of(r, v),
                          (double)(v->begin_ns + v->end_ns) * 0.5e-6);
        spa_figure_cell(&f->data, name);
        spa_string_append(&f->data, " %s\n", class_of(&c->graph, v) == BOX_CONV ? "0xffffff" : "0");
    }
    spa_string_append(&f->data, "EOD\n");
    spa_string_append(&f->commands, "set xrange [0:%.6f]\n", end_ms > 0 ? end_ms : 1);
}

static void put_frame(spa_figure *f, const spa_case *c, const char *policy, size_t n_rows, bool cut,
                      int64_t end_ns)
{
    char line[600], origin[128];
    double h = f->height;
    spa_string_append(
        &f->commands,
        "set lmargin at screen %.6f\nset rmargin at screen %.6f\n"
        "set tmargin at screen %.6f\nset bmargin at screen %.6f\n"
        "set yrange [%zu-0.5:-0.5]\nset border 1\nset tics nomirror out\n"
        "set ytics scale 0\nset grid xtics back lt 1 lc rgb '#dddddd'\nset xlabel 'time (ms)'\n"
        "set key at screen 0.98, screen %.6f right bottom horizontal samplen 1.5\n",
        (double)LEFT / WIDTH, 1 - (double)RIGHT / WIDTH, 1 - HEAD / h, FOOT / h, n_rows, 10 / h);
    snprintf(line, sizeof line, "%.100s on %.100s@%.60s, policy %.100s: %.3f ms%s", c->graph.name,
             c->costs.device, c->costs.mode, policy, (double)end_ns * 1e-6,
             cut ? " (only the beginning is drawn)" : "");
    spa_string_append(&f->commands, "set label 1 ");
    spa_figure_text(&f->commands, line);
    spa_string_append(&f->commands, " at screen 0.5, screen %.6f center font ',13'\nset label 2 ",
                      1 - 20 / h);
    snprintf(line, sizeof line, "stack %.60s, lanes %.60s, %s, batch %d; times %s", c->costs.stack,
             c->costs.lanes, spa_case_dtype(c), c->graph.batch, spa_case_origin_text(c, origin));
    spa_figure_text(&f->commands, line);
    spa_string_append(&f->commands, " at screen 0.5, screen %.6f center font ',9'\n", 1 - 44 / h);
}

spa_status spa_chart_gantt(const char *path, const spa_case *c, const char *policy,
                           const spa_timeline *timeline, spa_error *err)
{
    rows r;
    bool used[BOX_CLASS_COUNT] = {false};
    size_t n = timeline->count < SPA_GANTT_BOXES ? timeline->count : SPA_GANTT_BOXES;
    find_rows(&r, timeline, n);
    spa_figure f = {.width = WIDTH, .height = HEAD + FOOT + ROW_HEIGHT * (int)(r.count + 1)};
    put_row_names(&f, &r, &c->costs);
    put_boxes(&f, c, &r, timeline, n, used);
    put_frame(&f, c, policy, r.count, n < timeline->count, spa_timeline_end_ns(timeline));
    spa_string_append(&f.commands, "plot $rows using (NaN):1:ytic(2) notitle");
    for (int k = 0; k < BOX_CLASS_COUNT; k++) {
        if (!used[k]) continue;
        spa_string_append(&f.commands,
                          ", \\\n$boxes using ($4==%d?$2:NaN):1:2:3:($1-0.38):($1+0.38) with "
                          "boxxyerror fs solid 1.0 border lc rgb '#ffffff' fc rgb '%s' lw 0.4 "
                          "title '%s'",
                          k, classes[k].colour, classes[k].title);
    }
    spa_string_append(&f.commands, ", \\\n$names using 2:1:3:4 with labels font ',8' textcolor rgb "
                                   "variable notitle\n");
    spa_status status = spa_figure_write(&f, path, err);
    spa_figure_fini(&f);
    return status;
}
