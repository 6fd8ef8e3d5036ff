/* The name of a CUDA lane's kernels. They run on streams (kernels/stream.h), never through a
 * spa_backend: this one says so. */
#include <stdio.h>

#include "kernels/backend.h"
#include "kernels/cuda/plan.h"
#include "kernels/stream.h"

static spa_status refuse(spa_error *err)
{
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "CUDA kernels run on streams of a device, not on a core");
}

static spa_status probe(spa_error *err)
{
    return spa_stream_device_cuda.probe(0, err);
}

static bool supports(const spa_graph *graph, const spa_op *op)
{
    return spa_cuda_supports(op->kind);
}

static spa_status prepare(const spa_graph *graph, const spa_op *op, const float *const *params,
                          void **state, spa_error *err)
{
    *state = NULL;
    return refuse(err);
}

static void release(void *state) {}

static size_t workspace_bytes(const spa_graph *graph, const spa_op *op)
{
    return 0;
}

static spa_status run(const spa_kernel_args *args, spa_error *err)
{
    return refuse(err);
}

static void describe(char *text, size_t size)
{
    snprintf(text, size, "CUDA");
}

const spa_backend spa_backend_cuda = {
    .name = "cuda",
    .summary = "kernels of an NVIDIA GPU; on lanes cuda:N only",
    .probe = probe,
    .supports = supports,
    .prepare = prepare,
    .release = release,
    .workspace_bytes = workspace_bytes,
    .run = run,
    .describe = describe,
};
