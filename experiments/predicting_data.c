/* Sequences of operators to learn thresholds from. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "experiments/predicting.h"

enum { MAX_BATCHES = 8, DRAWN = 4 };

static bool is_file(const char *model)
{
    size_t n = strlen(model);
    return n > 4 && strcmp(model + n - 4, ".csv") == 0;
}

/* Batches of the grid, ascending: the case's own among 1, 4, 16, 64. Graph files and traces fix
 * theirs. */
static size_t list_batches(const spa_case *c, int32_t out[MAX_BATCHES])
{
    static const int32_t usual[] = {1, 4, 16, 64};
    size_t n = 0;
    bool placed = false;
    if (is_file(c->model) || spa_device_info_of(c->device)->trace) {
        out[0] = c->graph.batch;
        return 1;
    }
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        if (!placed && c->graph.batch <= usual[i]) {
            out[n++] = c->graph.batch;
            placed = true;
        }
        if (usual[i] != c->graph.batch) out[n++] = usual[i];
    }
    if (!placed) out[n++] = c->graph.batch;
    return n;
}

/* One sequence per batch with the graph's own zeros, then some with drawn ones where zeros can
 * matter (only traces say what zeros save). */
static spa_status add_sequences(spa_predicting *p, const spa_case *c, uint32_t model,
                                const spa_time_grid *grid, const spa_options *o, double *zeros,
                                spa_error *err)
{
    size_t n_drawn = spa_device_info_of(c->device)->trace ? DRAWN : 0;
    spa_rng rng;
    spa_rng_init_indexed(&rng, (uint64_t)o->seed, "predictor/zeros", model);
    for (size_t size = grid->n_parts; size < grid->n_sizes; size++) {
        spa_graph scaled = {0};
        const spa_graph *graph = &c->graph;
        spa_status status = SPA_OK;
        if (grid->batch[size] == c->graph.batch) {
            p->own_sequence[model] = p->data.n_sequences;
        } else {
            SPA_TRY(spa_model_load(&scaled, c->model, grid->batch[size], c->graph.dtype, err));
            graph = &scaled;
        }
        for (size_t draw = 0; draw <= n_drawn && !status; draw++) {
            for (size_t i = 0; i < c->graph.n_ops; i++)
                zeros[i] = draw ? spa_rng_uniform(&rng) : c->graph.ops[i].input_sparsity;
            status = spa_predictor_data_add(&p->data, graph, grid, size, zeros, model, err);
        }
        if (graph == &scaled) spa_graph_fini(&scaled);
        SPA_TRY(status);
    }
    return SPA_OK;
}

static spa_status add_case(spa_predicting *p, const spa_case *c, uint32_t model,
                           const spa_options *o, spa_error *err)
{
    int32_t batches[MAX_BATCHES];
    double *zeros = NULL;
    spa_time_grid grid;
    spa_costs_options options = spa_costs_options_default();
    options.stack = o->stack;
    options.lanes = o->lanes;
    options.missing_model = o->missing_model != 0;
    size_t n = list_batches(c, batches);
    spa_status status =
        spa_time_grid_build(&grid, c->device, c->model, &c->graph, &options, batches, n, err);
    if (!status) status = spa_alloc(&zeros, c->graph.n_ops, sizeof *zeros, err);
    if (!status) status = add_sequences(p, c, model, &grid, o, zeros, err);
    free(zeros);
    spa_time_grid_fini(&grid);
    return status;
}

static void count(spa_predicting *p)
{
    for (size_t i = 0; i < p->data.n_rows; i++) {
        const spa_predictor_row *row = &p->data.rows[i];
        if (!row->counts) continue;
        p->n_counted++;
        for (int t = 0; t < SPA_THRESHOLDS; t++) {
            p->censored[t][row->label.censor[t]]++;
            p->several[t] += row->label.several[t];
        }
    }
}

spa_status spa_predicting_data(spa_predicting *p, const spa_runs *runs, const spa_options *options,
                               spa_error *err)
{
    p->n_models = runs->n_cases;
    SPA_TRY(spa_alloc(&p->own_sequence, runs->n_cases, sizeof *p->own_sequence, err));
    for (size_t c = 0; c < runs->n_cases; c++)
        SPA_TRY(add_case(p, &runs->cases[c], (uint32_t)c, options, err));
    count(p);
    return SPA_OK;
}
