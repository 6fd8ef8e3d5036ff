/* The table of backends. */
#define _POSIX_C_SOURCE 200809L
#include "kernels/backend.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const spa_backend *const backends[] = {
    &spa_backend_ref,
    &spa_backend_blas,
    &spa_backend_sparse,
    &spa_backend_onednn,
};
enum { BACKEND_COUNT = sizeof backends / sizeof backends[0] };

const spa_backend *const *spa_backends(size_t *count)
{
    *count = BACKEND_COUNT;
    return backends;
}

spa_status spa_backend_find(const char *name, const spa_backend **out, spa_error *err)
{
    const char *names[BACKEND_COUNT];
    *out = NULL;
    for (size_t i = 0; i < BACKEND_COUNT; i++) {
        names[i] = backends[i]->name;
        if (strcmp(name, names[i]) != 0) continue;
        SPA_TRY(backends[i]->probe(err));
        *out = backends[i];
        return SPA_OK;
    }
    return spa_fail_unknown(err, "backend", name, names, BACKEND_COUNT);
}

spa_status spa_backend_check(const spa_backend *backend, const spa_graph *graph, spa_error *err)
{
    spa_string list = {0};
    size_t missing = 0;
    for (size_t i = 0; i < graph->n_ops; i++) {
        const spa_op *op = &graph->ops[i];
        if (backend->supports(graph, op)) continue;
        spa_string_append(&list, "%s'%s' (%s)", missing > 0 ? ", " : "", op->name,
                          spa_op_kind_name(op->kind));
        missing++;
    }
    spa_status status = spa_string_ok(&list, err);
    if (status == SPA_OK && missing > 0)
        status =
            spa_fail(err, SPA_E_UNSUPPORTED, "model '%s': %zu operators have no kernel in '%s': %s",
                     graph->name, missing, backend->name, list.text);
    spa_string_fini(&list);
    return status;
}

spa_layout spa_backend_layout(const spa_backend *backend, const spa_graph *graph, size_t op)
{
    if (backend->layout == NULL || graph->ops[op].kind == SPA_OP_RESHAPE) return SPA_LAYOUT_PLAIN;
    return backend->layout(graph, op);
}

spa_status spa_alloc_aligned(void *out_pointer, size_t bytes, spa_error *err)
{
    void *memory = NULL, **out = out_pointer;
    *out = NULL;
    size_t size = bytes == 0 ? SPA_KERNEL_ALIGN : bytes;
    if (posix_memalign(&memory, SPA_KERNEL_ALIGN, size) != 0) return spa_fail_nomem(err, bytes);
    memset(memory, 0, size);
    *out = memory;
    return SPA_OK;
}
