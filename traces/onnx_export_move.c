/* ONNX export: kinds that move elements. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/onnx_export_parts.h"

spa_status onnx_x_put_slice(exporter *x, spa_error *err)
{
    const spa_op *op = x->op;
    int64_t starts[SPA_MAX_RANK], ends[SPA_MAX_RANK], axes[SPA_MAX_RANK], steps[SPA_MAX_RANK];
    size_t rank = (size_t)op->out.rank;
    for (size_t i = 0; i < rank; i++) {
        steps[i] = op->attrs.step[i] == 0 ? 1 : op->attrs.step[i];
        starts[i] = op->attrs.begin[i];
        ends[i] = starts[i] + (op->out.dim[i] - 1) * steps[i] + 1;
        axes[i] = (int64_t)i;
    }
    onnx_x_put_list(x, "starts", starts, rank);
    onnx_x_put_list(x, "ends", ends, rank);
    onnx_x_put_list(x, "axes", axes, rank);
    onnx_x_put_list(x, "steps", steps, rank);
    onnx_x_begin(x, "Slice", NULL);
    onnx_x_take_input(x, 0);
    onnx_x_take_part(x, "starts");
    onnx_x_take_part(x, "ends");
    onnx_x_take_part(x, "axes");
    onnx_x_take_part(x, "steps");
    onnx_x_end(x, NULL);
    return SPA_OK;
}

spa_status onnx_x_put_pad(exporter *x, spa_error *err)
{
    const spa_op *op = x->op;
    const spa_shape *in = spa_graph_input_shape(x->graph, op, 0);
    int64_t pads[2 * SPA_MAX_RANK];
    for (int32_t i = 0; i < in->rank; i++) {
        pads[i] = op->attrs.begin[i];
        pads[i + in->rank] = op->out.dim[i] - in->dim[i] - op->attrs.begin[i];
    }
    onnx_x_put_list(x, "pads", pads, 2 * (size_t)in->rank);
    onnx_x_begin(x, "Pad", NULL);
    onnx_x_take_input(x, 0);
    onnx_x_take_part(x, "pads");
    onnx_x_end(x, NULL);
    return SPA_OK;
}

/* Along one dimension: what is behind the cut, then what is before it. */
static void put_roll_of(exporter *x, int32_t axis, int64_t shift, const char *from, const char *to)
{
    int64_t n = x->op->out.dim[axis], cut = ((-shift) % n + n) % n;
    const int64_t bounds[] = {cut, n, 0, cut};
    static const char *const ends[] = {"tail", "head"};
    char axis_name[24], names[2][40], lists[2][2][56];
    snprintf(axis_name, sizeof axis_name, "axis%d", (int)axis);
    onnx_x_put_list(x, axis_name, (const int64_t[]){axis}, 1);
    for (int k = 0; k < 2; k++) {
        snprintf(names[k], sizeof names[k], "%s%d", ends[k], (int)axis);
        snprintf(lists[k][0], sizeof lists[k][0], "%.39s.start", names[k]);
        snprintf(lists[k][1], sizeof lists[k][1], "%.39s.end", names[k]);
        for (int i = 0; i < 2; i++) onnx_x_put_list(x, lists[k][i], &bounds[2 * k + i], 1);
        onnx_x_begin_part(x, "Slice", names[k]);
        onnx_node_input(&x->maker, from);
        onnx_x_take_part(x, lists[k][0]);
        onnx_x_take_part(x, lists[k][1]);
        onnx_x_take_part(x, axis_name);
        onnx_x_end_part(x, names[k]);
    }
    onnx_x_begin(x, "Concat", to);
    onnx_x_take_part(x, names[0]);
    onnx_x_take_part(x, names[1]);
    onnx_node_int(&x->maker, "axis", axis);
    onnx_x_end(x, to);
}

spa_status onnx_x_put_roll(exporter *x, spa_error *err)
{
    char from[ONNX_NAME_SIZE], to[ONNX_NAME_SIZE], input[ONNX_NAME_SIZE], part[24];
    int32_t last = -1;
    for (int32_t i = 0; i < x->op->out.rank; i++)
        if (x->op->attrs.begin[i] != 0) last = i;
    if (last < 0) return onnx_x_put_simple(x, "Identity", err);
    snprintf(from, sizeof from, "%s", onnx_x_input_name(x, 0, input));
    for (int32_t i = 0; i <= last; i++) {
        if (x->op->attrs.begin[i] == 0) continue;
        snprintf(part, sizeof part, "rolled%d", (int)i);
        snprintf(to, sizeof to, "%s", i == last ? x->op->name : onnx_x_part_name(x, part, input));
        put_roll_of(x, i, x->op->attrs.begin[i], from, to);
        memcpy(from, to, sizeof from);
    }
    return SPA_OK;
}

spa_status onnx_x_put_reshape(exporter *x, spa_error *err)
{
    int64_t dims[SPA_MAX_RANK];
    onnx_x_dims_of(&x->op->out, dims);
    onnx_x_put_list(x, "shape", dims, (size_t)x->op->out.rank);
    onnx_x_begin(x, "Reshape", NULL);
    onnx_x_take_input(x, 0);
    onnx_x_take_part(x, "shape");
    onnx_x_end(x, NULL);
    return SPA_OK;
}

spa_status onnx_x_put_transpose(exporter *x, spa_error *err)
{
    int64_t perm[SPA_MAX_RANK];
    for (int32_t i = 0; i < x->op->out.rank; i++) perm[i] = x->op->attrs.perm[i];
    onnx_x_begin(x, "Transpose", NULL);
    onnx_x_take_input(x, 0);
    onnx_node_ints(&x->maker, "perm", perm, (size_t)x->op->out.rank);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

/* Rows of the table by relative position [1,n,n], then heads in front. */
spa_status onnx_x_put_gather(exporter *x, spa_error *err)
{
    int64_t n = x->op->out.dim[2], *rows, dims[] = {1, n, n};
    char name[ONNX_NAME_SIZE];
    SPA_TRY(spa_alloc(&rows, (size_t)(n * n), sizeof *rows, err));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) rows[i * n + j] = spa_onnx_relative_row(n, i, j);
    SPA_TRY(onnx_x_put_param(x, 0, false, err));
    onnx_make_tensor(&x->maker, onnx_x_part_name(x, "rows", name), ONNX_INT64, dims, 3, rows,
                     (size_t)(n * n) * sizeof *rows);
    free(rows);
    onnx_x_begin_part(x, "Gather", "gather");
    onnx_x_take_param(x, 0);
    onnx_x_take_part(x, "rows");
    onnx_node_int(&x->maker, "axis", 0);
    onnx_x_end_part(x, "gathered");
    onnx_x_begin(x, "Transpose", NULL);
    onnx_x_take_part(x, "gathered");
    onnx_node_ints(&x->maker, "perm", (const int64_t[]){0, 3, 1, 2}, 4);
    onnx_x_end(x, NULL);
    return SPA_OK;
}

spa_status onnx_x_put_upsample(exporter *x, spa_error *err)
{
    const spa_op_attrs *a = &x->op->attrs;
    const float scales[] = {1, 1, (float)a->stride_h, (float)a->stride_w};
    char name[ONNX_NAME_SIZE];
    onnx_make_floats(&x->maker, onnx_x_part_name(x, "scales", name), (const int64_t[]){4}, 1,
                     scales);
    onnx_x_begin(x, "Resize", NULL);
    onnx_x_take_input(x, 0);
    onnx_node_input(&x->maker, "");
    onnx_x_take_part(x, "scales");
    onnx_node_text(&x->maker, "mode", "nearest");
    onnx_node_text(&x->maker, "coordinate_transformation_mode", "asymmetric");
    onnx_node_text(&x->maker, "nearest_mode", "floor");
    onnx_x_end(x, NULL);
    return SPA_OK;
}
