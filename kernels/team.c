/* Teams: parts of operators on the cores of a lane. */
#include "kernels/team.h"

#include <stdlib.h>

#include "kernels/part.h"

/* What one core needs, on cache lines of its own. */
typedef struct member {
    _Alignas(SPA_KERNEL_ALIGN) void *workspace;
    spa_status status;
    spa_error error;
} member;

struct spa_team {
    spa_model *model;
    const spa_backend *backend;
    spa_pool *pool;
    size_t size;
    member *members;         /* [size] */
    spa_part_kernel **parts; /* [n_ops]: [size], or NULL for operators that run whole */
    /* The operator at hand: */
    spa_session *session;
    size_t op;
};

double spa_team_work_us(const spa_op *op)
{
    double bytes = (double)(op->bytes_in + op->bytes_weight + op->bytes_out);
    return ((double)op->macs / 40 + bytes / 60) * 1e-3;
}

static void free_parts(spa_team *team, size_t op)
{
    if (team->parts[op] == NULL) return;
    for (size_t k = 0; k < team->size; k++) spa_part_kernel_fini(&team->parts[op][k]);
    free(team->parts[op]);
    team->parts[op] = NULL;
}

/* Leaves the operator whole where it, or one of its pieces, cannot be cut. */
static spa_status cut_op(spa_team *team, size_t op, spa_error *err)
{
    const spa_graph *graph = team->model->graph;
    size_t bounds[SPA_POOL_MEMBERS + 1];
    spa_cut cut;
    spa_status status = spa_cut_of(graph, &graph->ops[op], &cut, NULL);
    if (status == SPA_E_UNSUPPORTED) return SPA_OK;
    if (status == SPA_OK) status = spa_cut_bounds(&cut, NULL, team->size, bounds, err);
    if (status == SPA_OK)
        status = spa_alloc(&team->parts[op], team->size, sizeof(spa_part_kernel), err);
    for (size_t k = 0; k < team->size && status == SPA_OK; k++)
        status = spa_part_kernel_init(&team->parts[op][k], team->model, op, bounds[k],
                                      bounds[k + 1], team->backend, err);
    if (status == SPA_OK) return SPA_OK;
    free_parts(team, op);
    return status == SPA_E_UNSUPPORTED || status == SPA_E_RANGE ? SPA_OK : status;
}

static spa_status lend_workspaces(spa_team *team, spa_error *err)
{
    size_t n_ops = team->model->graph->n_ops;
    for (size_t k = 0; k < team->size; k++) {
        size_t largest = k > 0 ? 0 : spa_model_workspace_bytes(team->model, team->backend);
        for (size_t i = 0; i < n_ops; i++)
            if (team->parts[i] != NULL && team->parts[i][k].workspace_bytes > largest)
                largest = team->parts[i][k].workspace_bytes;
        SPA_TRY(spa_alloc_aligned(&team->members[k].workspace, largest, err));
    }
    return SPA_OK;
}

spa_status spa_team_new(spa_team **out, spa_model *model, const spa_backend *backend,
                        spa_pool *pool, double work_us, spa_error *err)
{
    spa_team *team;
    *out = NULL;
    SPA_TRY(spa_model_prepare(model, backend, err));
    SPA_TRY(spa_alloc(&team, 1, sizeof *team, err));
    team->model = model;
    team->backend = backend;
    team->pool = pool;
    team->size = spa_pool_size(pool);
    spa_status status = spa_alloc(&team->parts, model->graph->n_ops, sizeof *team->parts, err);
    if (status == SPA_OK)
        status = spa_alloc_aligned(&team->members, team->size * sizeof *team->members, err);
    for (size_t i = 0; i < model->graph->n_ops && team->size > 1 && status == SPA_OK; i++)
        if (spa_team_work_us(&model->graph->ops[i]) >= work_us) status = cut_op(team, i, err);
    if (status == SPA_OK) status = lend_workspaces(team, err);
    if (status == SPA_OK)
        *out = team;
    else
        spa_team_free(team);
    return status;
}

void spa_team_free(spa_team *team)
{
    if (team == NULL) return;
    for (size_t i = 0; team->parts != NULL && i < team->model->graph->n_ops; i++)
        free_parts(team, i);
    for (size_t k = 0; team->members != NULL && k < team->size; k++)
        free(team->members[k].workspace);
    free(team->parts);
    free(team->members);
    free(team);
}

static void run_part(void *context, size_t k)
{
    spa_team *team = context;
    member *m = &team->members[k];
    m->status =
        spa_part_kernel_run(&team->parts[team->op][k], team->session, m->workspace, &m->error);
}

spa_status spa_team_run_op(spa_team *team, spa_session *session, size_t op, spa_error *err)
{
    if (team->parts[op] == NULL)
        return spa_session_run_op(session, team->backend, op, team->members[0].workspace, err);
    spa_session_plain_io(session, op);
    team->session = session;
    team->op = op;
    spa_pool_run(team->pool, run_part, team, team->size);
    for (size_t k = 0; k < team->size; k++) {
        if (team->members[k].status == SPA_OK) continue;
        if (err != NULL) *err = team->members[k].error;
        return team->members[k].status;
    }
    return SPA_OK;
}

size_t spa_team_parts(const spa_team *team, size_t op)
{
    size_t n = 0;
    if (team->parts[op] == NULL) return 1;
    for (size_t k = 0; k < team->size; k++)
        n += team->parts[op][k].part.begin < team->parts[op][k].part.end;
    return n;
}
