/* Patterns of ONNX nodes that are one operator here; see onnx_import.h. */
#include <math.h>
#include <string.h>

#include "traces/onnx_export.h"
#include "traces/onnx_import.h"

/* ---- looking around ------------------------------------------------------------------------- */

static bool is_op(const onnx_import *im, int32_t node, const char *op_type)
{
    return node >= 0 && strcmp(im->file.nodes[node].op_type, op_type) == 0 &&
           im->file.nodes[node].domain[0] == '\0' && im->file.nodes[node].n_outputs > 0 &&
           im->node_out[node][0] >= 0;
}

static onnx_value *input_of(const onnx_import *im, int32_t node, size_t i)
{
    if (node < 0 || i >= im->file.nodes[node].n_inputs || im->node_in[node][i] < 0) return NULL;
    return &im->values[im->node_in[node][i]];
}

static onnx_value *output_of(const onnx_import *im, int32_t node)
{
    return &im->values[im->node_out[node][0]];
}

/* The node that alone reads `v`, if it is of this operator; else -1. */
static int32_t reader(const onnx_import *im, const onnx_value *v, const char *op_type)
{
    int32_t node;
    if (onnx_only_reader(im, v, &node) == NULL || !is_op(im, node, op_type)) return -1;
    return node;
}

/* The other operand of a node of two inputs. */
static onnx_value *other(const onnx_import *im, int32_t node, const onnx_value *v)
{
    if (node < 0 || im->file.nodes[node].n_inputs != 2) return NULL;
    onnx_value *a = input_of(im, node, 0), *b = input_of(im, node, 1);
    return a == v ? b : b == v ? a : NULL;
}

static bool is_number(onnx_import *im, onnx_value *v, double wanted)
{
    double x;
    return onnx_is_const(v) && onnx_scalar(im, v, &x) && fabs(x - wanted) <= 1e-6 * fabs(wanted);
}

/* The reader with a constant of this value. */
static int32_t reader_with(onnx_import *im, const onnx_value *v, const char *op_type, double wanted)
{
    int32_t node = reader(im, v, op_type);
    return node >= 0 && is_number(im, other(im, node, v), wanted) ? node : -1;
}

/* The node that makes `v`, read by nobody else. */
static int32_t maker(const onnx_import *im, const onnx_value *v, const char *op_type)
{
    if (v == NULL || v->uses != 1 || v->is_output || !is_op(im, v->node, op_type)) return -1;
    return v->node;
}

/* One operator of x in place of all nodes up to `last`. */
static spa_status replace(onnx_import *im, const int32_t *nodes, size_t n, onnx_value *x,
                          spa_op_kind kind, spa_error *err)
{
    int32_t input, index, last = nodes[n - 1];
    for (size_t i = 0; i < n; i++) im->done[nodes[i]] = true;
    im->at = last;
    im->node = &im->file.nodes[last];
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_emit_one(im, kind, NULL, input, &index, err));
    return onnx_set_dims(im, output_of(im, last), index, x->dim, x->rank, x->type, err);
}

static bool is_running(const onnx_value *x)
{
    return x != NULL &&
           (x->state == ONNX_RUNTIME || x->state == ONNX_INPUT || x->state == ONNX_DEFERRED);
}

/* ---- activations ---------------------------------------------------------------------------- */

/* x / sqrt 2 -> erf -> + 1 -> * x -> / 2 */
spa_status onnx_match_gelu(onnx_import *im, bool *matched, spa_error *err)
{
    bool by_div = is_op(im, im->at, "Div"), by_mul = is_op(im, im->at, "Mul");
    onnx_value *x = onnx_in(im, 0);
    *matched = false;
    if ((!by_div && !by_mul) || !is_running(x) ||
        !is_number(im, onnx_in(im, 1), by_div ? sqrt(2) : sqrt(0.5)))
        return SPA_OK;
    int32_t erf = reader(im, onnx_out(im, 0), "Erf");
    int32_t add = erf < 0 ? -1 : reader_with(im, output_of(im, erf), "Add", 1);
    int32_t mul = add < 0 ? -1 : reader(im, output_of(im, add), "Mul");
    if (mul < 0 || other(im, mul, output_of(im, add)) != x) return SPA_OK;
    int32_t half = reader_with(im, output_of(im, mul), "Mul", 0.5);
    if (half < 0) return SPA_OK;
    *matched = true;
    return replace(im, (const int32_t[]){im->at, erf, add, mul, half}, 5, x, SPA_OP_GELU, err);
}

/* Bounds 0 and 6 of a Clip. */
static bool clips_to_6(onnx_import *im, int32_t clip)
{
    const onnx_node *n = &im->file.nodes[clip];
    double low = NAN, high = NAN;
    for (size_t i = 0; i < n->n_attrs; i++) {
        if (strcmp(n->attrs[i].name, "min") == 0) low = n->attrs[i].f;
        if (strcmp(n->attrs[i].name, "max") == 0) high = n->attrs[i].f;
    }
    onnx_value *min = input_of(im, clip, 1), *max = input_of(im, clip, 2);
    if (min != NULL && !onnx_scalar(im, min, &low)) return false;
    if (max != NULL && !onnx_scalar(im, max, &high)) return false;
    return low == 0 && high == 6;
}

static int32_t sixth(onnx_import *im, const onnx_value *v)
{
    int32_t node = reader(im, v, "Div");
    if (node >= 0)
        return input_of(im, node, 0) == v && is_number(im, input_of(im, node, 1), 6) ? node : -1;
    return reader_with(im, v, "Mul", 1.0 / 6);
}

/* x + 3 -> clip 0..6 -> * x -> / 6, or / 6 -> * x, or only / 6 (hard sigmoid) */
spa_status onnx_match_hard_swish(onnx_import *im, bool *matched, spa_error *err)
{
    *matched = false;
    if (!is_op(im, im->at, "Add") || im->node->n_inputs != 2) return SPA_OK;
    onnx_value *x = is_number(im, onnx_in(im, 1), 3)   ? onnx_in(im, 0)
                    : is_number(im, onnx_in(im, 0), 3) ? onnx_in(im, 1)
                                                       : NULL;
    if (!is_running(x)) return SPA_OK;
    int32_t clip = reader(im, onnx_out(im, 0), "Clip");
    if (clip < 0 || !clips_to_6(im, clip)) return SPA_OK;
    const onnx_value *clipped = output_of(im, clip);
    int32_t mul = reader(im, clipped, "Mul"), end;
    if (mul >= 0 && other(im, mul, clipped) == x) {
        end = sixth(im, output_of(im, mul));
        if (end < 0) return SPA_OK;
        *matched = true;
        return replace(im, (const int32_t[]){im->at, clip, mul, end}, 4, x, SPA_OP_HARD_SWISH, err);
    }
    int32_t div = sixth(im, clipped);
    if (div < 0) return SPA_OK;
    *matched = true;
    end = reader(im, output_of(im, div), "Mul");
    if (end >= 0 && other(im, end, output_of(im, div)) == x)
        return replace(im, (const int32_t[]){im->at, clip, div, end}, 4, x, SPA_OP_HARD_SWISH, err);
    return replace(im, (const int32_t[]){im->at, clip, div}, 3, x, SPA_OP_HARD_SIGMOID, err);
}

/* ---- layer norm ----------------------------------------------------------------------------- */

/* Does this ReduceMean keep the dimensions and go over the last one only? */
static bool means_last(onnx_import *im, int32_t node, int32_t rank)
{
    const onnx_node *was = im->node;
    int32_t at = im->at;
    const int64_t *axes;
    size_t n;
    im->node = &im->file.nodes[node];
    im->at = node;
    bool keeps = onnx_attr_int(im, "keepdims", 1) != 0;
    bool known = onnx_went_well(im, onnx_int_list(im, 1, "axes", &axes, &n, NULL));
    im->node = was;
    im->at = at;
    return keeps && known && n == 1 && (axes[0] == -1 || axes[0] == rank - 1);
}

typedef struct norm_nodes {
    int32_t sub, power, mean, add, root, div, mul, shift;
    onnx_value *scale, *bias;
    double epsilon;
} norm_nodes;

/* mean -> x - mean = d -> d^2 -> mean -> + epsilon -> sqrt -> d / that -> * scale -> + bias */
static bool find_norm(onnx_import *im, const onnx_value *x, norm_nodes *n)
{
    n->sub = reader(im, onnx_out(im, 0), "Sub");
    if (n->sub < 0 || input_of(im, n->sub, 0) != x) return false;
    const onnx_value *d = output_of(im, n->sub);
    n->div = d->consumer; /* the last reader */
    if (d->is_output || d->uses < 2 || !is_op(im, n->div, "Div") || input_of(im, n->div, 0) != d)
        return false;
    n->root = maker(im, input_of(im, n->div, 1), "Sqrt");
    n->add = n->root < 0 ? -1 : maker(im, input_of(im, n->root, 0), "Add");
    if (n->add < 0) return false;
    onnx_value *variance = input_of(im, n->add, 0), *epsilon = input_of(im, n->add, 1);
    if (onnx_is_const(variance)) {
        onnx_value *t = variance;
        variance = epsilon;
        epsilon = t;
    }
    n->mean = maker(im, variance, "ReduceMean");
    if (n->mean < 0 || !onnx_is_const(epsilon) || !onnx_scalar(im, epsilon, &n->epsilon) ||
        !(n->epsilon > 0) || !means_last(im, n->mean, x->rank))
        return false;
    const onnx_value *square = input_of(im, n->mean, 0);
    n->power = maker(im, square, "Pow");
    if (n->power >= 0)
        return input_of(im, n->power, 0) == d && d->uses == 2 &&
               is_number(im, input_of(im, n->power, 1), 2);
    n->power = maker(im, square, "Mul");
    return n->power >= 0 && d->uses == 3 && input_of(im, n->power, 0) == d &&
           input_of(im, n->power, 1) == d;
}

static bool find_affine(onnx_import *im, const onnx_value *x, norm_nodes *n)
{
    int64_t columns = x->rank > 0 ? x->dim[x->rank - 1] : 0;
    const onnx_value *y = output_of(im, n->div);
    n->mul = reader(im, y, "Mul");
    n->scale = other(im, n->mul, y);
    if (!onnx_is_const(n->scale) || n->scale->count != columns) return false;
    y = output_of(im, n->mul);
    n->shift = reader(im, y, "Add");
    n->bias = other(im, n->shift, y);
    return onnx_is_const(n->bias) && n->bias->count == columns;
}

spa_status onnx_match_layer_norm(onnx_import *im, bool *matched, spa_error *err)
{
    onnx_value *x = onnx_in(im, 0);
    norm_nodes n;
    int32_t input, index;
    *matched = false;
    if (!is_op(im, im->at, "ReduceMean") || !is_running(x) || !means_last(im, im->at, x->rank) ||
        !find_norm(im, x, &n) || !find_affine(im, x, &n))
        return SPA_OK;
    const int32_t nodes[] = {im->at, n.sub, n.power, n.mean, n.add, n.root, n.div, n.mul, n.shift};
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) im->done[nodes[i]] = true;
    *matched = true;
    im->at = n.shift;
    im->node = &im->file.nodes[n.shift];
    bool usual = fabs(n.epsilon - 1e-5) < 1e-11;
    spa_op_attrs attrs = {.alpha = usual ? 0 : n.epsilon};
    SPA_TRY(onnx_operand(im, x, &input, err));
    SPA_TRY(onnx_emit_one(im, SPA_OP_LAYER_NORM, &attrs, input, &index, err));
    SPA_TRY(onnx_bind(im, index, 0, n.scale, err));
    SPA_TRY(onnx_bind(im, index, 1, n.bias, err));
    return onnx_set_dims(im, output_of(im, n.shift), index, x->dim, x->rank, x->type, err);
}

/* ---- relative position bias ----------------------------------------------------------------- */

static bool are_relative_rows(onnx_import *im, onnx_value *rows, int64_t table_rows)
{
    const double *values;
    int64_t n = rows->rank == 3 ? rows->dim[1] : 0, w = 1;
    while (w * w < n) w++;
    if (n < 1 || n > 1024 || w * w != n || rows->dim[0] != 1 || rows->dim[2] != n ||
        table_rows != (2 * w - 1) * (2 * w - 1) ||
        !onnx_went_well(im, onnx_doubles(im, rows, &values, NULL)))
        return false;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            if (values[i * n + j] != (double)spa_onnx_relative_row(n, i, j)) return false;
    return true;
}

/* Rows of a table for every pair of tokens of a window, heads in front. */
spa_status onnx_match_relative_bias(onnx_import *im, bool *matched, spa_error *err)
{
    onnx_value *table = onnx_in(im, 0), *rows = onnx_in(im, 1);
    const int64_t *perm = NULL;
    size_t n = 0;
    int32_t index;
    *matched = false;
    if (!is_op(im, im->at, "Gather") || !onnx_is_const(table) || table->rank != 2 ||
        !onnx_is_const(rows) || onnx_attr_int(im, "axis", 0) != 0 ||
        !are_relative_rows(im, rows, table->dim[0]))
        return SPA_OK;
    int32_t end = reader(im, onnx_out(im, 0), "Transpose");
    if (end < 0) return SPA_OK;
    const onnx_node *t = &im->file.nodes[end];
    for (size_t i = 0; i < t->n_attrs; i++) {
        if (strcmp(t->attrs[i].name, "perm") != 0) continue;
        perm = t->attrs[i].ints;
        n = t->attrs[i].n_ints;
    }
    if (n != 4 || perm[0] != 0 || perm[1] != 3 || perm[2] != 1 || perm[3] != 2) return SPA_OK;
    *matched = true;
    im->done[im->at] = im->done[end] = true;
    im->at = end;
    im->node = t;
    spa_op_attrs attrs = {.param_learned = onnx_is_learned(table)};
    SPA_TRY(onnx_shape(im, table, &attrs.param_shape, err));
    SPA_TRY(onnx_emit(im, SPA_OP_GATHER, &attrs, NULL, 0, NULL, &index, err));
    SPA_TRY(onnx_bind(im, index, 0, table, err));
    return onnx_set(im, output_of(im, end), index, err);
}

/* ---- what waits for its reader -------------------------------------------------------------- */

static void defer(onnx_value *v, const onnx_value *like)
{
    v->state = ONNX_DEFERRED;
    v->type = like->type;
    v->rank = like->rank;
    v->count = like->count;
    memcpy(v->dim, like->dim, sizeof v->dim);
}

/* A slice along one dimension, without steps. */
static bool slice_range(onnx_import *im, int32_t node, onnx_value **base, int32_t *axis,
                        int64_t *start, int64_t *end)
{
    const onnx_node *was = im->node;
    int32_t at = im->at;
    const int64_t *starts, *ends, *axes, *steps;
    size_t n, n_ends, n_axes, n_steps;
    im->node = &im->file.nodes[node];
    im->at = node;
    *base = onnx_in(im, 0);
    bool fits = is_running(*base) && (*base)->rank >= 1 && (*base)->rank <= SPA_MAX_RANK &&
                onnx_went_well(im, onnx_int_list(im, 1, "starts", &starts, &n, NULL)) &&
                onnx_went_well(im, onnx_int_list(im, 2, "ends", &ends, &n_ends, NULL)) &&
                onnx_went_well(im, onnx_int_list(im, 3, "axes", &axes, &n_axes, NULL)) &&
                onnx_went_well(im, onnx_int_list(im, 4, NULL, &steps, &n_steps, NULL)) && n == 1 &&
                n_ends == 1 && n_axes == 1 && (n_steps == 0 || steps[0] == 1) &&
                onnx_axis(im, axes[0], (*base)->rank, axis, NULL) == SPA_OK;
    im->node = was;
    im->at = at;
    if (!fits) return false;
    int64_t size = (*base)->dim[*axis];
    *start = starts[0] < 0 ? starts[0] + size : starts[0];
    *end = ends[0] < 0 ? ends[0] + size : ends[0] > size ? size : ends[0];
    return *start >= 0 && *start < *end;
}

static bool may_defer_slice(onnx_import *im, onnx_value *out)
{
    onnx_value *base;
    int32_t axis, concat = reader(im, out, "Concat");
    int64_t start, end;
    if (concat < 0 || im->file.nodes[concat].n_inputs != 2 ||
        !slice_range(im, im->at, &base, &axis, &start, &end))
        return false;
    defer(out, base);
    out->dim[axis] = end - start;
    out->count = base->count / base->dim[axis] * (end - start);
    return true;
}

/* The second operand of a product, last two dimensions exchanged. */
static bool may_defer_transpose(onnx_import *im, onnx_value *out)
{
    onnx_value *x = onnx_in(im, 0);
    int32_t product = reader(im, out, "MatMul"), rank = x != NULL ? x->rank : 0;
    const int64_t *perm;
    size_t n;
    if (product < 0 || input_of(im, product, 1) != out || !is_running(x) || rank < 2 ||
        rank > SPA_MAX_RANK || !onnx_attr_ints(im, "perm", &perm, &n) || (int32_t)n != rank ||
        perm[rank - 1] != rank - 2 || perm[rank - 2] != rank - 1)
        return false;
    for (int32_t i = 0; i < rank - 2; i++)
        if (perm[i] != i) return false;
    defer(out, x);
    out->dim[rank - 1] = x->dim[rank - 2];
    out->dim[rank - 2] = x->dim[rank - 1];
    return true;
}

bool onnx_may_defer(onnx_import *im)
{
    onnx_value *out = onnx_out(im, 0);
    if (out == NULL || out->state != ONNX_ABSENT) return false;
    if (is_op(im, im->at, "Slice")) return may_defer_slice(im, out);
    return is_op(im, im->at, "Transpose") && may_defer_transpose(im, out);
}

/* [k, n) before [0, k) of one value: cyclic. Rolls along several dimensions are one. */
spa_status onnx_match_roll(onnx_import *im, bool *matched, spa_error *err)
{
    onnx_value *tail = onnx_in(im, 0), *head = onnx_in(im, 1), *out = onnx_out(im, 0), *x, *y;
    int32_t axis, axis2, along;
    int64_t cut, size, zero, cut2;
    *matched = false;
    if (!is_op(im, im->at, "Concat") || im->node->n_inputs != 2 || tail == NULL || head == NULL ||
        tail->state != ONNX_DEFERRED || head->state != ONNX_DEFERRED || tail == head ||
        !is_op(im, tail->node, "Slice") || !is_op(im, head->node, "Slice") ||
        out->state != ONNX_ABSENT)
        return SPA_OK;
    if (!slice_range(im, tail->node, &x, &axis, &cut, &size) ||
        !slice_range(im, head->node, &y, &axis2, &zero, &cut2) || x != y || axis != axis2 ||
        zero != 0 || cut != cut2 || size != x->dim[axis] ||
        onnx_axis(im, onnx_attr_int(im, "axis", 0), x->rank, &along, NULL) != SPA_OK ||
        along != axis)
        return SPA_OK;
    int32_t shift = (int32_t)(size - cut); /* towards the end; the shorter way round */
    if (2 * (int64_t)shift > size) shift -= (int32_t)size;
    bool joins = x->state == ONNX_DEFERRED && x->roll_from >= 0 && x->uses == 2 && !x->is_output &&
                 x->roll[axis] == 0;
    defer(out, x);
    out->roll_from = joins ? x->roll_from : (int32_t)(x - im->values);
    memset(out->roll, 0, sizeof out->roll);
    if (joins) memcpy(out->roll, x->roll, sizeof out->roll);
    out->roll[axis] = shift;
    *matched = true;
    return SPA_OK;
}
