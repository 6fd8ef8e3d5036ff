/* What a batch costs when operators run it in chunks of fewer samples. */
#include <math.h>
#include "devices/costs.h"

/* Do two tables describe one model, at two batch sizes? */
static bool same_model(const spa_costs *a, const spa_costs *b)
{
    if (a->n_ops != b->n_ops || a->n_processors != b->n_processors) return false;
    for (size_t op = 0; op < a->n_ops; op++)
        if (a->graph->ops[op].kind != b->graph->ops[op].kind) return false;
    return true;
}

/* m runs one after another, each issued by itself; independent noise averages out. */
static spa_status repeat(const spa_op_cost *once, int64_t m, spa_op_cost *all, spa_error *err)
{
    int64_t launch_ns;
    *all = *once;
    if (once->kernel_ns < 0) return SPA_OK;
    if (!spa_mul_i64(once->kernel_ns, m, &all->kernel_ns) ||
        !spa_mul_i64(once->launch_ns, m, &launch_ns) || launch_ns > INT32_MAX)
        return spa_fail(err, SPA_E_RANGE, "%lld chunks of %lld ns are longer than a table may say",
                        (long long)m, (long long)once->kernel_ns);
    all->launch_ns = (int32_t)launch_ns;
    all->noise_cv = (float)(once->noise_cv / sqrt((double)m));
    return SPA_OK;
}

spa_status spa_costs_add_chunks(spa_costs *costs, const spa_costs *smaller, spa_error *err)
{
    int32_t batch = costs->graph->batch, size = smaller->graph->batch;
    spa_op_cost *ops;
    if (!same_model(costs, smaller))
        return spa_fail(err, SPA_E_INVALID, "chunks of '%s': '%s' is another model or device",
                        costs->graph->name, smaller->graph->name);
    if (size >= batch || batch % size)
        return spa_fail(err, SPA_E_INVALID,
                        "chunks of '%s': a batch of %d does not consist of several of %d",
                        costs->graph->name, batch, size);
    if (costs->n_chunks == SPA_MAX_CHUNKS)
        return spa_fail(err, SPA_E_RANGE, "chunks of '%s': more than %d sizes", costs->graph->name,
                        SPA_MAX_CHUNKS);
    SPA_TRY(
        spa_arena_alloc(&costs->arena, &ops, costs->n_ops * costs->n_processors, sizeof *ops, err));
    for (size_t i = 0; i < costs->n_ops * costs->n_processors; i++)
        SPA_TRY(repeat(&smaller->ops[i], batch / size, &ops[i], err));
    costs->chunk_sizes[costs->n_chunks] = (uint32_t)size;
    costs->chunk_ops[costs->n_chunks++] = ops;
    return SPA_OK;
}
