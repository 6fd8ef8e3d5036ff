#include "experiments/experiment_shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/policy.h"
#include "sim/scenario.h"
#include "traces/graph.h"

#define MOST_SHARDS 100000

spa_status spa_shard_parse(const char *text, spa_shard *shard, spa_error *err)
{
    char index[16];
    int64_t i = 0, n = 0;
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : 0;
    *shard = (spa_shard){0};
    if (slash && length < sizeof index) {
        memcpy(index, text, length);
        index[length] = '\0';
        if (!spa_parse_i64(index, &i) || !spa_parse_i64(slash + 1, &n)) n = 0;
    }
    if (n < 1 || n > MOST_SHARDS || i < 1 || i > n)
        return spa_fail(err, SPA_E_USAGE, "'%.40s' is not I/N with 1 <= I <= N <= %d, as in 3/8",
                        text, MOST_SHARDS);
    *shard = (spa_shard){(uint32_t)i, (uint32_t)n};
    return SPA_OK;
}

/* ---- prediction ------------------------------------------------------------------------------ */

/* Host seconds of an operator simulated, of one in a search's evaluation, of a learner's step:
 * round figures of `make bench`. */
#define SIMULATED_S 100e-9
#define EVALUATED_S 60e-9
#define LEARNED_S   10e-6

/* Operators of a model; of a mix ("a*3+b"), of all its models. */
static double operators_of(const char *model)
{
    double sum = 0;
    for (const char *at = model; *at;) {
        char name[256];
        spa_graph graph;
        size_t whole = strcspn(at, "+"), n = strcspn(at, "+*");
        if (n >= sizeof name) n = sizeof name - 1;
        memcpy(name, at, n);
        name[n] = '\0';
        bool is_file = n > 4 && !strcmp(name + n - 4, ".csv");
        spa_status status = is_file ? spa_graph_read_csv(&graph, name, NULL)
                                    : spa_model_load(&graph, name, 1, SPA_FP32, NULL);
        sum += status ? 100 : (double)graph.n_ops; /* what it is will be said when it runs */
        if (!status) spa_graph_fini(&graph);
        at += whole + (at[whole] == '+');
    }
    return sum > 0 ? sum : 1;
}

static double requests_of(const char *scenario)
{
    spa_scenario s;
    if (spa_scenario_load(&s, scenario, NULL) != SPA_OK) return 100;
    double n = (double)s.requests;
    spa_scenario_fini(&s);
    return n > 0 ? n : 1;
}

static bool searches(const spa_experiment *x, size_t row)
{
    spa_range_end end;
    const spa_baseline *b = spa_experiment_baseline(x, row, &end);
    const char *text = b ? b->policy : spa_experiment_value(x, row, SPA_FACTOR_POLICY);
    const spa_policy *policy;
    spa_param_values values;
    return spa_policy_parse(text, &policy, &values, NULL) == SPA_OK &&
           (policy->capabilities & SPA_CAP_SEARCH);
}

/* One figure per value of a factor. */
static spa_status figures_of(const spa_experiment *x, spa_factor factor,
                             double (*figure)(const char *), double **out, spa_error *err)
{
    const spa_names *values = &x->factors[factor].values;
    SPA_TRY(spa_alloc(out, values->count, sizeof **out, err));
    for (size_t i = 0; i < values->count; i++) (*out)[i] = figure(values->items[i]);
    return SPA_OK;
}

static double look_up(const spa_experiment *x, size_t row, spa_factor factor, const double *figures)
{
    const spa_names *values = &x->factors[factor].values;
    const char *value = spa_experiment_value(x, row, factor);
    for (size_t i = 0; i < values->count; i++)
        if (values->items[i] == value || !strcmp(values->items[i], value)) return figures[i];
    return 1;
}

spa_status spa_shard_predict(const spa_experiment *x, double *cost, spa_error *err)
{
    double *operators = NULL, *requests = NULL;
    spa_status status = figures_of(x, SPA_FACTOR_MODEL, operators_of, &operators, err);
    if (!status) status = figures_of(x, SPA_FACTOR_SCENARIO, requests_of, &requests, err);
    for (size_t row = 0; !status && row < spa_experiment_rows(x); row++) {
        double ops = look_up(x, row, SPA_FACTOR_MODEL, operators);
        cost[row] =
            ops * look_up(x, row, SPA_FACTOR_SCENARIO, requests) * (double)x->reps * SIMULATED_S;
        if (searches(x, row)) cost[row] += ops * (double)x->budget * EVALUATED_S;
        if (x->kind == SPA_EXPERIMENT_CURVE) cost[row] += (double)x->steps * LEARNED_S;
    }
    free(operators);
    free(requests);
    return status;
}

/* ---- sharing out ----------------------------------------------------------------------------- */

typedef struct piece {
    double cost;
    size_t row;
} piece;

static int longest_first(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    if (x->cost != y->cost) return x->cost > y->cost ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* A heap of shards: the one with the least load on top, of equal ones the first. */
typedef struct load {
    double sum;
    uint32_t shard;
} load;

static bool is_less(const load *a, const load *b)
{
    return a->sum != b->sum ? a->sum < b->sum : a->shard < b->shard;
}

static void sink(load *heap, uint32_t n)
{
    for (uint32_t at = 0;;) {
        uint32_t least = at, left = 2 * at + 1;
        for (uint32_t child = left; child < left + 2 && child < n; child++)
            if (is_less(&heap[child], &heap[least])) least = child;
        if (least == at) return;
        load swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

spa_status spa_shard_assign(const double *cost, size_t n, uint32_t n_shards, uint32_t *shard,
                            spa_error *err)
{
    piece *pieces = NULL;
    load *heap = NULL;
    spa_status status = spa_alloc(&pieces, n, sizeof *pieces, err);
    if (!status) status = spa_alloc(&heap, n_shards, sizeof *heap, err);
    if (!status) {
        for (size_t i = 0; i < n; i++) pieces[i] = (piece){cost[i], i};
        for (uint32_t s = 0; s < n_shards; s++) heap[s].shard = s; /* equal: a heap already */
        qsort(pieces, n, sizeof *pieces, longest_first);
        for (size_t i = 0; i < n; i++) {
            shard[pieces[i].row] = heap[0].shard;
            heap[0].sum += pieces[i].cost;
            sink(heap, n_shards);
        }
    }
    free(pieces);
    free(heap);
    return status;
}

spa_status spa_shard_rows(const spa_experiment *x, spa_shard shard, bool *mine, spa_error *err)
{
    size_t n = spa_experiment_rows(x);
    double *cost = NULL;
    uint32_t *of = NULL;
    spa_status status = spa_alloc(&cost, n, sizeof *cost, err);
    if (!status) status = spa_alloc(&of, n, sizeof *of, err);
    if (!status) status = spa_shard_predict(x, cost, err);
    if (!status) status = spa_shard_assign(cost, n, shard.count, of, err);
    for (size_t i = 0; !status && i < n; i++) mine[i] = of[i] == shard.index - 1;
    free(cost);
    free(of);
    return status;
}
