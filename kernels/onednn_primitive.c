/* Primitives that several lanes may run at once. */
#ifdef SPA_ONEDNN

#define _POSIX_C_SOURCE 200809L
#include "kernels/onednn_primitive.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dims.h"

/* Calls of one primitive that may run side by side; a further one waits. More than the requests
 * that are ever in the same operator at once on the machines this is meant for. */
#define SLOTS 4

enum { INPUT_0, INPUT_1, OUTPUT, SCRATCHPAD, VARYING };
enum { MAX_FIXED = 4 };

/* A memory object holds the address of its data, so that a call needs objects of its own. Making
 * them per call costs allocations; a thread's own ones would be state between calls. */
typedef struct slot {
    _Alignas(64) atomic_flag busy;
    dnnl_stream_t stream;
    dnnl_memory_t memory[VARYING]; /* NULL where the primitive has no such argument */
} slot;

struct spa_onednn_primitive {
    const spa_onednn_library *lib;
    const char *name; /* of the operator */
    dnnl_primitive_t primitive;
    int argument[VARYING];
    size_t n_fixed;
    dnnl_exec_arg_t fixed[MAX_FIXED]; /* parameters: read by all */
    float *owned[MAX_FIXED];          /* their data where it is not the model's */
    slot slots[SLOTS];
};

static spa_status check(const spa_onednn_library *lib, dnnl_status_t status, const char *what,
                        const char *name, spa_error *err)
{
    if (status == dnnl_success) return SPA_OK;
    if (status == dnnl_out_of_memory) return spa_fail_nomem(err, 0);
    return spa_fail(err, SPA_E_UNSUPPORTED, "operator '%s': oneDNN cannot %s (status %d)", name,
                    what, (int)status);
}

/* ---- parameters ---------------------------------------------------------------------------------
 */

/* Adds an argument whose data lasts as long as the primitive. */
static spa_status add_fixed(spa_onednn_primitive *p, int argument, const dnnl_memory_desc_t *md,
                            const float *data, spa_error *err)
{
    dnnl_exec_arg_t *fixed = &p->fixed[p->n_fixed];
    fixed->arg = argument;
    SPA_TRY(check(p->lib, p->lib->memory_create(&fixed->memory, md, p->lib->engine, (void *)data),
                  "hold the parameters", p->name, err));
    p->n_fixed++;
    return SPA_OK;
}

static spa_status copy_by_reorder(spa_onednn_primitive *p, dnnl_memory_t from,
                                  const dnnl_memory_desc_t *from_md, dnnl_memory_t to,
                                  const dnnl_memory_desc_t *to_md, spa_error *err)
{
    const spa_onednn_library *lib = p->lib;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t reorder = NULL;
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}};
    dnnl_status_t status =
        lib->reorder_primitive_desc_create(&pd, from_md, lib->engine, to_md, lib->engine, NULL);
    if (status == dnnl_success) status = lib->primitive_create(&reorder, pd);
    if (status == dnnl_success)
        status = lib->primitive_execute(reorder, p->slots[0].stream, 2, args);
    if (reorder != NULL) lib->primitive_destroy(reorder);
    if (pd != NULL) lib->primitive_desc_destroy(pd);
    return check(lib, status, "pack the weights", p->name, err);
}

/* The weights as the primitive wants them; as they are, they are row-major. */
static spa_status pack_weights(spa_onednn_primitive *p, const float *weight,
                               const_dnnl_primitive_desc_t pd, spa_error *err)
{
    const spa_onednn_library *lib = p->lib;
    const dnnl_memory_desc_t *to_md = lib->primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    dnnl_memory_desc_t from_md;
    dnnl_memory_t from = NULL;
    dnnl_dims_t strides;
    dnnl_dim_t step = 1;
    for (int i = to_md->ndims - 1; i >= 0; i--) {
        strides[i] = step;
        step *= to_md->dims[i];
    }
    SPA_TRY(check(
        lib,
        lib->memory_desc_init_by_strides(&from_md, to_md->ndims, to_md->dims, dnnl_f32, strides),
        "describe the weights", p->name, err));
    float **packed = &p->owned[p->n_fixed];
    SPA_TRY(spa_alloc_aligned(packed, lib->memory_desc_get_size(to_md), err));
    SPA_TRY(add_fixed(p, DNNL_ARG_WEIGHTS, to_md, *packed, err));
    SPA_TRY(check(lib, lib->memory_create(&from, &from_md, lib->engine, (void *)weight),
                  "hold the weights", p->name, err));
    spa_status status =
        copy_by_reorder(p, from, &from_md, p->fixed[p->n_fixed - 1].memory, to_md, err);
    lib->memory_destroy(from);
    return status;
}

/* Scale and shift, one behind the other. */
static spa_status pack_scale_shift(spa_onednn_primitive *p, const float *const *params,
                                   const_dnnl_primitive_desc_t pd, spa_error *err)
{
    const dnnl_memory_desc_t *md = p->lib->primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    float **packed = &p->owned[p->n_fixed];
    size_t n = (size_t)md->dims[1];
    SPA_TRY(spa_alloc_aligned(packed, 2 * n * sizeof(float), err));
    memcpy(*packed, params[0], n * sizeof(float));
    memcpy(*packed + n, params[1], n * sizeof(float));
    return add_fixed(p, DNNL_ARG_SCALE_SHIFT, md, *packed, err);
}

static spa_status add_params(spa_onednn_primitive *p, const spa_op *op, const float *const *params,
                             const_dnnl_primitive_desc_t pd, spa_error *err)
{
    const spa_onednn_library *lib = p->lib;
    switch (op->kind) {
    case SPA_OP_CONV:
    case SPA_OP_LINEAR:
        SPA_TRY(pack_weights(p, params[0], pd, err));
        if (!op->attrs.has_bias) return SPA_OK;
        return add_fixed(p, DNNL_ARG_BIAS,
                         lib->primitive_desc_query_md(pd, dnnl_query_weights_md, 1), params[1],
                         err);
    case SPA_OP_BATCH_NORM:
        SPA_TRY(pack_scale_shift(p, params, pd, err));
        SPA_TRY(add_fixed(p, DNNL_ARG_MEAN, lib->primitive_desc_query_md(pd, dnnl_query_src_md, 1),
                          params[2], err));
        return add_fixed(p, DNNL_ARG_VARIANCE,
                         lib->primitive_desc_query_md(pd, dnnl_query_src_md, 2), params[3], err);
    case SPA_OP_LAYER_NORM:
        return pack_scale_shift(p, params, pd, err);
    default:
        return SPA_OK;
    }
}

/* ---- making -------------------------------------------------------------------------------------
 */

static spa_status make_slots(spa_onednn_primitive *p, const spa_op *op,
                             const_dnnl_primitive_desc_t pd, spa_error *err)
{
    const spa_onednn_library *lib = p->lib;
    bool is_matmul = op->kind == SPA_OP_MATMUL;
    const dnnl_memory_desc_t *md[VARYING] = {
        lib->primitive_desc_query_md(pd, dnnl_query_src_md, 0),
        is_matmul ? lib->primitive_desc_query_md(pd, dnnl_query_weights_md, 0) : NULL,
        lib->primitive_desc_query_md(pd, dnnl_query_dst_md, 0),
        lib->primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0),
    };
    if ((op->kind == SPA_OP_ADD || op->kind == SPA_OP_MUL) &&
        (op->n_inputs > 1 || op->attrs.param_shape.rank > 0))
        md[INPUT_1] = lib->primitive_desc_query_md(pd, dnnl_query_src_md, 1);
    p->argument[INPUT_0] = DNNL_ARG_SRC_0;
    p->argument[INPUT_1] = is_matmul ? DNNL_ARG_WEIGHTS : DNNL_ARG_SRC_1;
    p->argument[OUTPUT] = DNNL_ARG_DST;
    p->argument[SCRATCHPAD] = DNNL_ARG_SCRATCHPAD;
    if (lib->memory_desc_get_size(md[SCRATCHPAD]) == 0) md[SCRATCHPAD] = NULL;
    for (size_t s = 0; s < SLOTS; s++) {
        slot *at = &p->slots[s];
        atomic_flag_clear(&at->busy);
        SPA_TRY(check(lib, lib->stream_create(&at->stream, lib->engine, dnnl_stream_in_order),
                      "make a stream", p->name, err));
        for (int i = 0; i < VARYING; i++)
            if (md[i] != NULL)
                SPA_TRY(check(
                    lib, lib->memory_create(&at->memory[i], md[i], lib->engine, DNNL_MEMORY_NONE),
                    "make a memory object", p->name, err));
    }
    return SPA_OK;
}

spa_status spa_onednn_primitive_new(spa_onednn_primitive **out, const spa_onednn_library *lib,
                                    const spa_op *op, const float *const *params,
                                    const_dnnl_primitive_desc_t pd, spa_error *err)
{
    spa_onednn_primitive *p;
    *out = NULL;
    SPA_TRY(spa_alloc_aligned(&p, sizeof *p, err));
    p->lib = lib;
    p->name = op->name;
    spa_status status =
        check(lib, lib->primitive_create(&p->primitive, pd), "make a primitive", op->name, err);
    if (status == SPA_OK) status = make_slots(p, op, pd, err);
    if (status == SPA_OK) status = add_params(p, op, params, pd, err);
    if (status != SPA_OK)
        spa_onednn_primitive_free(p);
    else
        *out = p;
    return status;
}

void spa_onednn_primitive_free(spa_onednn_primitive *p)
{
    if (p == NULL) return;
    for (size_t s = 0; s < SLOTS; s++) {
        for (int i = 0; i < VARYING; i++)
            if (p->slots[s].memory[i] != NULL) p->lib->memory_destroy(p->slots[s].memory[i]);
        if (p->slots[s].stream != NULL) p->lib->stream_destroy(p->slots[s].stream);
    }
    for (size_t i = 0; i < p->n_fixed; i++) p->lib->memory_destroy(p->fixed[i].memory);
    for (size_t i = 0; i < MAX_FIXED; i++) free(p->owned[i]);
    if (p->primitive != NULL) p->lib->primitive_destroy(p->primitive);
    free(p);
}

/* ---- running ------------------------------------------------------------------------------------
 */

static slot *borrow(spa_onednn_primitive *p)
{
    for (;; sched_yield())
        for (size_t s = 0; s < SLOTS; s++)
            if (!atomic_flag_test_and_set_explicit(&p->slots[s].busy, memory_order_acquire))
                return &p->slots[s];
}

spa_status spa_onednn_primitive_run(spa_onednn_primitive *p, const float *const *inputs,
                                    float *output, void *scratchpad, spa_error *err)
{
    const spa_onednn_library *lib = p->lib;
    dnnl_exec_arg_t args[VARYING + MAX_FIXED];
    slot *own = borrow(p);
    dnnl_status_t status = dnnl_success;
    int n = 0, threads = spa_onednn_enter(lib);
    for (int i = 0; i < VARYING; i++) {
        if (own->memory[i] == NULL) continue;
        const void *data = i == OUTPUT ? output : i == SCRATCHPAD ? scratchpad : inputs[i];
        if (status == dnnl_success)
            status = lib->memory_set_data_handle(own->memory[i], (void *)data);
        args[n++] = (dnnl_exec_arg_t){p->argument[i], own->memory[i]};
    }
    for (size_t i = 0; i < p->n_fixed; i++) args[n++] = p->fixed[i];
    if (status == dnnl_success) status = lib->primitive_execute(p->primitive, own->stream, n, args);
    spa_onednn_leave(lib, threads);
    atomic_flag_clear_explicit(&own->busy, memory_order_release);
    return check(lib, status, "run", p->name, err);
}

#else
typedef int spa_onednn_primitive_unused;
#endif
