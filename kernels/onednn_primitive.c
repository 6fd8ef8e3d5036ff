#include "kernels/onednn_primitive.h"

#if defined(SPA_ONEDNN) && SPA_ONEDNN
#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

static spa_status check(dnnl_status_t status, const char *what, spa_error *err)
{
    if (status == dnnl_success) return SPA_OK;
    if (status == dnnl_out_of_memory) return spa_fail_nomem(err, 0);
    return spa_fail(err, SPA_E_UNSUPPORTED, "onednn: '%s': status %d", what, (int)status);
}

static spa_status user_scratch(const spa_onednn *l, dnnl_primitive_attr_t *attr, const char *what,
                               spa_error *err)
{
    SPA_TRY(check(l->dnnl_primitive_attr_create(attr), what, err));
    dnnl_status_t status =
        l->dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (status != dnnl_success) l->dnnl_primitive_attr_destroy(*attr);
    return check(status, what, err);
}

spa_status onednn_primitive_init(onednn_primitive *p, const spa_onednn *l, const_dnnl_op_desc_t op,
                                 const char *what, dnnl_primitive_desc_t *description,
                                 spa_error *err)
{
    dnnl_primitive_attr_t attr;
    memset(p, 0, sizeof *p);
    SPA_TRY(user_scratch(l, &attr, what, err));
    dnnl_status_t status = l->dnnl_primitive_desc_create(description, op, attr, l->engine, NULL);
    l->dnnl_primitive_attr_destroy(attr);
    return check(status, what, err);
}

void onednn_primitive_arg(onednn_primitive *p, int name, const dnnl_memory_desc_t *desc)
{
    p->name[p->n_args] = name;
    p->desc[p->n_args++] = *desc;
}

static spa_status make_contexts(onednn_primitive *p, const spa_onednn *l, const char *what,
                                spa_error *err)
{
    SPA_TRY(spa_alloc_aligned(&p->contexts, ONEDNN_CONTEXTS * sizeof *p->contexts, err));
    for (int c = 0; c < ONEDNN_CONTEXTS; c++) {
        onednn_context *context = &p->contexts[c];
        atomic_flag_clear(&context->busy);
        SPA_TRY(check(l->dnnl_stream_create(&context->stream, l->engine, dnnl_stream_default_flags),
                      what, err));
        for (int a = 0; a < p->n_args; a++)
            SPA_TRY(check(l->dnnl_memory_create(&context->memory[a], &p->desc[a], l->engine,
                                                DNNL_MEMORY_NONE),
                          what, err));
    }
    return SPA_OK;
}

spa_status onednn_primitive_finish(onednn_primitive *p, const spa_onednn *l,
                                   dnnl_primitive_desc_t description, const char *what,
                                   spa_error *err)
{
    const dnnl_memory_desc_t *scratch =
        l->dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    onednn_primitive_arg(p, DNNL_ARG_SCRATCHPAD, scratch);
    p->scratch_bytes = l->dnnl_memory_desc_get_size(scratch);
    dnnl_status_t made = l->dnnl_primitive_create(&p->handle, description);
    l->dnnl_primitive_desc_destroy(description);
    spa_status status = check(made, what, err);
    if (status == SPA_OK) status = make_contexts(p, l, what, err);
    if (status != SPA_OK) onednn_primitive_fini(p, l);
    return status;
}

void onednn_primitive_fini(onednn_primitive *p, const spa_onednn *l)
{
    for (int c = 0; c < ONEDNN_CONTEXTS && p->contexts; c++) {
        for (int a = 0; a < p->n_args; a++)
            if (p->contexts[c].memory[a]) l->dnnl_memory_destroy(p->contexts[c].memory[a]);
        if (p->contexts[c].stream) l->dnnl_stream_destroy(p->contexts[c].stream);
    }
    free(p->contexts);
    if (p->handle) l->dnnl_primitive_destroy(p->handle);
    memset(p, 0, sizeof *p);
}

static onednn_context *claim(onednn_primitive *p)
{
    for (int c = 0;; c = (c + 1) % ONEDNN_CONTEXTS)
        if (!atomic_flag_test_and_set_explicit(&p->contexts[c].busy, memory_order_acquire))
            return &p->contexts[c];
}

spa_status onednn_primitive_run(onednn_primitive *p, const spa_onednn *l, void *const *data,
                                const char *what, spa_error *err)
{
    static _Thread_local int is_single;
    onednn_context *context = claim(p);
    dnnl_exec_arg_t args[ONEDNN_ARGS];
    dnnl_status_t status = dnnl_success;
    if (!is_single) { /* one core per lane, whatever OpenMP thinks */
        spa_onednn_single(l);
        is_single = 1;
    }
    for (int a = 0; a < p->n_args && status == dnnl_success; a++) {
        args[a] = (dnnl_exec_arg_t){p->name[a], context->memory[a]};
        status = l->dnnl_memory_set_data_handle(context->memory[a], data[a]);
    }
    if (status == dnnl_success)
        status = l->dnnl_primitive_execute(p->handle, context->stream, p->n_args, args);
    if (status == dnnl_success) status = l->dnnl_stream_wait(context->stream);
    atomic_flag_clear_explicit(&context->busy, memory_order_release);
    return check(status, what, err);
}

spa_status onednn_reorder_init(onednn_primitive *p, const spa_onednn *l,
                               const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to,
                               const char *what, spa_error *err)
{
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t description;
    memset(p, 0, sizeof *p);
    if (l->dnnl_memory_desc_equal(from, to)) return SPA_OK;
    SPA_TRY(user_scratch(l, &attr, what, err));
    dnnl_status_t status =
        l->dnnl_reorder_primitive_desc_create(&description, from, l->engine, to, l->engine, attr);
    l->dnnl_primitive_attr_destroy(attr);
    SPA_TRY(check(status, what, err));
    onednn_primitive_arg(p, DNNL_ARG_FROM, from);
    onednn_primitive_arg(p, DNNL_ARG_TO, to);
    return onednn_primitive_finish(p, l, description, what, err);
}

void onednn_desc(const spa_onednn *l, int rank, const dnnl_dim_t *dims, dnnl_format_tag_t tag,
                 dnnl_memory_desc_t *desc)
{
    /* Fails only for what cannot be: tags of another rank. */
    if (l->dnnl_memory_desc_init_by_tag(desc, rank, dims, dnnl_f32, tag) != dnnl_success)
        memset(desc, 0, sizeof *desc);
}
#endif
