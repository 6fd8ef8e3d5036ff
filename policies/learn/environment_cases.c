#include "policies/learn/environment_cases.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "policies/common.h"

/* ---- varied devices -------------------------------------------------------------------------- */

static double draw(spa_rng *rng, spa_range range)
{
    double u = spa_rng_uniform(rng);
    return range.low * exp(u * log(range.high / range.low));
}

static int64_t times(int64_t ns, double factor)
{
    return ns > 0 ? llround((double)ns * factor) : ns;
}

/* A copy of a table with its own entries; all else is the original's. */
static spa_status copy_table(spa_costs *to, const spa_costs *from, spa_error *err)
{
    spa_costs own;
    size_t n = from->n_processors;
    SPA_TRY(spa_costs_init(to, from->graph, from->n_processors, err));
    own = *to;
    *to = *from;
    to->ops = own.ops;
    to->part_ns = own.part_ns;
    to->transfer_ns = own.transfer_ns;
    to->arena = own.arena;
    to->n_modes = to->own_mode = 0; /* those of the original do not fit varied entries */
    to->modes = NULL;
    to->zeros_factor = NULL;
    memcpy(to->ops, from->ops, from->n_ops * n * sizeof *to->ops);
    memcpy(to->part_ns, from->part_ns, from->n_ops * n * (SPA_TENTHS - 1) * sizeof *to->part_ns);
    memcpy(to->transfer_ns, from->transfer_ns, from->n_tensors * n * n * sizeof *to->transfer_ns);
    return SPA_OK;
}

static spa_status vary(spa_env_table *table, const spa_costs *from,
                       const spa_environment_config *config, uint64_t index, spa_error *err)
{
    spa_costs *c = &table->varied;
    size_t n = from->n_processors;
    double speed[SPA_MAX_PROCESSORS], transfer[SPA_MAX_PROCESSORS * SPA_MAX_PROCESSORS], launch;
    spa_rng rng;
    spa_rng_init_indexed(&rng, config->seed, "environment-device", index);
    SPA_TRY(copy_table(c, from, err));
    table->costs = c;
    launch = draw(&rng, config->launch);
    for (size_t p = 0; p < n; p++) speed[p] = draw(&rng, config->speed);
    for (size_t k = 0; k < n * n; k++) transfer[k] = draw(&rng, config->transfer);
    for (size_t i = 0; i < c->n_ops * n; i++) {
        spa_op_cost *k = &c->ops[i];
        k->kernel_ns = times(k->kernel_ns, 1 / speed[i % n]);
        k->launch_ns = (int32_t)fmin((double)times(k->launch_ns, launch), INT32_MAX);
    }
    for (size_t i = 0; i < c->n_ops * n * (SPA_TENTHS - 1); i++)
        c->part_ns[i] = times(c->part_ns[i], 1 / speed[i / (SPA_TENTHS - 1) % n]);
    for (size_t i = 0; i < c->n_tensors * n * n; i++)
        c->transfer_ns[i] = times(c->transfer_ns[i], transfer[i % (n * n)]);
    return spa_costs_finish(c, err);
}

static spa_status build_table(spa_env_cases *x, const spa_environment_config *config, size_t index,
                              spa_error *err)
{
    size_t variants = config->n_variants + 1, n_costs = index / variants;
    spa_env_table *table = &x->tables[index];
    spa_features_options options = {.n_slots = x->n_slots, .rank_order = config->rank_order};
    if (config->thresholds) options.thresholds = config->thresholds[n_costs];
    table->n_costs = n_costs;
    table->costs = config->costs[n_costs];
    if (index % variants) SPA_TRY(vary(table, table->costs, config, index, err));
    return spa_features_init(&table->features, table->costs, &options, err);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static spa_run_config run_of(const spa_environment_config *config, const spa_env_case *c,
                             const spa_scenario *scenario)
{
    spa_run_config run = spa_run_config_default();
    run.graph = c->table->costs->graph;
    run.costs = c->table->costs;
    run.schedule = &c->table->features.schedule;
    run.scenario = *scenario;
    run.scenario.warmup = 0;
    run.objective = config->objective;
    run.contention = config->contention;
    return run;
}

/* One run with everything on processor p, where it can run there. */
static spa_status run_alone(const spa_run_config *config, spa_schedule *schedule, uint32_t p,
                            spa_run_result *result, spa_error *err)
{
    spa_run_config alone = *config;
    spa_engine *engine = NULL;
    spa_status status;
    for (size_t i = 0; i < schedule->n_ops; i++)
        schedule->processor[i] = (uint8_t)spa_policy_able(config->costs, i, p);
    spa_policy_follow_views(config->costs, schedule->processor);
    alone.schedule = schedule;
    SPA_TRY(spa_engine_new(&engine, &alone, err));
    status = spa_engine_run(engine, NULL, result, err);
    spa_engine_free(engine);
    return status;
}

/* What a reward of -1 is: the objective of the best single processor. */
static spa_status measure_scale(spa_env_case *c, const spa_environment_config *config,
                                const spa_run_config *run, spa_error *err)
{
    spa_schedule schedule = {0};
    spa_reward *r = &c->reward;
    spa_status status;
    SPA_TRY(spa_schedule_init(&schedule, run->costs->n_ops, err));
    spa_schedule_copy(&schedule, run->schedule);
    *r = (spa_reward){.objective = config->objective,
                      .shaping = config->shaping,
                      .energy_weight = config->lambda_energy,
                      .transfer_weight = config->lambda_transfer};
    for (uint32_t p = 0; p < run->costs->n_processors; p++) {
        spa_run_result result;
        if ((status = run_alone(run, &schedule, p, &result, err))) goto out;
        spa_evaluation e = {result.span_ns, result.energy_j, result.energy_dynamic_j};
        double value = spa_evaluation_value(&e, config->objective);
        if (p && value >= c->scale) continue;
        c->scale = r->value_scale = value;
        r->energy_scale_j = result.energy_j;
        r->transfer_scale_ns = (double)result.span_ns;
    }
    status = SPA_OK;
    if (!(c->scale > 0) || (r->energy_weight != 0 && !(r->energy_scale_j > 0)))
        status = spa_fail(err, SPA_E_UNSUPPORTED,
                          "'%s' on '%s': %s of a run is 0 or not known; nothing can be learned "
                          "from it",
                          run->graph->name, run->costs->device,
                          c->scale > 0 ? "the energy" : spa_objective_name(config->objective));
out:
    spa_schedule_fini(&schedule);
    return status;
}

static spa_status build_case(spa_env_case *c, const spa_environment_config *config,
                             const spa_scenario *scenario, spa_error *err)
{
    spa_run_config run = run_of(config, c, scenario);
    SPA_TRY(measure_scale(c, config, &run, err));
    run.stepped = true;
    run.splits = config->splits;
    run.stepped_cycles = config->decision_cycles;
    run.noise = config->noise;
    return spa_engine_new(&c->original, &run, err);
}

/* ---- all ------------------------------------------------------------------------------------- */

static bool range_is_good(spa_range r)
{
    return r.low > 0 && r.high >= r.low && r.high <= 1e6;
}

static spa_status check(const spa_environment_config *c, spa_error *err)
{
    if (c->n_costs == 0 || c->n_envs == 0)
        return spa_fail(err, SPA_E_INVALID, "an environment needs cost tables and environments");
    if (c->splits && !c->continuous)
        return spa_fail(err, SPA_E_INVALID, "operators are split by continuous actions only");
    if (c->scenarios && c->n_scenarios == 0)
        return spa_fail(err, SPA_E_INVALID, "an environment needs at least one scenario");
    if (!range_is_good(c->speed) || !range_is_good(c->launch) || !range_is_good(c->transfer))
        return spa_fail(err, SPA_E_RANGE,
                        "ranges of device parameters need 0 < low <= high <= 1e6");
    if (!(c->lambda_energy >= 0 && c->lambda_transfer >= 0 && c->decision_cycles >= 0) ||
        c->lambda_energy > 1e6 || c->lambda_transfer > 1e6 || c->decision_cycles > 1e12)
        return spa_fail(err, SPA_E_RANGE, "weights of the reward and decision cycles are >= 0");
    for (size_t i = 0; c->scenarios && i < c->n_scenarios; i++)
        if (c->max_steps == 0 && c->scenarios[i].requests > (UINT64_C(1) << 40))
            return spa_fail(err, SPA_E_RANGE,
                            "scenario '%s' has no end in practice; episodes need max_steps",
                            c->scenarios[i].name);
    for (size_t i = 0; c->scenarios && i < c->n_scenarios; i++)
        if (spa_conditions_any(&c->scenarios[i].conditions) || c->scenarios[i].mix[0])
            return spa_fail(err, SPA_E_UNSUPPORTED,
                            "scenario '%s': learning under background load, governors, thermal "
                            "limits or of a mix of models is not built",
                            c->scenarios[i].name);
    return SPA_OK;
}

spa_status spa_env_cases_init(spa_env_cases *x, const spa_environment_config *config,
                              spa_error *err)
{
    static const size_t most = (size_t)1 << 20;
    const spa_scenario single = spa_scenario_closed(1, 1);
    const spa_scenario *scenarios = config->scenarios ? config->scenarios : &single;
    size_t n_scenarios = config->scenarios ? config->n_scenarios : 1;
    *x = (spa_env_cases){.n_slots = config->n_slots};
    SPA_TRY(check(config, err));
    for (size_t i = 0; i < config->n_costs && !config->n_slots; i++)
        if (config->costs[i]->n_processors > x->n_slots)
            x->n_slots = config->costs[i]->n_processors;
    if (!spa_mul_size(config->n_costs, (size_t)config->n_variants + 1, &x->n_tables) ||
        !spa_mul_size(x->n_tables, n_scenarios, &x->n_cases) || x->n_cases > most)
        return spa_fail(err, SPA_E_RANGE, "an environment has at most %zu cases", most);
    SPA_TRY(spa_alloc(&x->tables, x->n_tables, sizeof *x->tables, err));
    SPA_TRY(spa_alloc(&x->cases, x->n_cases, sizeof *x->cases, err));
    for (size_t i = 0; i < x->n_tables; i++) SPA_TRY(build_table(x, config, i, err));
    for (size_t i = 0; i < x->n_cases; i++) {
        x->cases[i].table = &x->tables[i / n_scenarios];
        SPA_TRY(build_case(&x->cases[i], config, &scenarios[i % n_scenarios], err));
    }
    return SPA_OK;
}

void spa_env_cases_fini(spa_env_cases *x)
{
    for (size_t i = 0; x->cases && i < x->n_cases; i++) spa_engine_free(x->cases[i].original);
    for (size_t i = 0; x->tables && i < x->n_tables; i++) {
        spa_features_fini(&x->tables[i].features);
        spa_costs_fini(&x->tables[i].varied);
    }
    free(x->cases);
    free(x->tables);
    *x = (spa_env_cases){0};
}
