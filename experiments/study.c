#include "experiments/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "experiments/ablate.h"
#include "experiments/cli.h"
#include "experiments/parts.h"
#include "experiments/plugins.h"

#define DEFAULT_REPS       30
#define REPS_BETWEEN_LOOKS 10

/* ---------------------------------------------------------------- options */
/* "poisson" without a rate is the file of that name, where there is one. */
static spa_status load_scenario(const spa_options *options, const char *name,
                                spa_scenario *scenario, spa_error *err)
{
    const char *folder = options->scenario_folder;
    char path[SPA_PATH_BYTES + 32];
    if (strcmp(name, "poisson") == 0 && options->rate_hz == 0 && folder) {
        snprintf(path, sizeof path, "%s/poisson.scenario", folder);
        name = path;
    }
    return spa_cli_name_status(spa_scenario_find(scenario, name, folder, err), name, err);
}

static spa_status take_rate(const spa_options *options, const char *name, spa_scenario *scenario,
                            spa_error *err)
{
    bool steady =
        scenario->arrivals == SPA_ARRIVALS_PERIODIC || scenario->arrivals == SPA_ARRIVALS_POISSON;
    if (options->rate_hz > 0 && !steady) {
        spa_scenario_fini(scenario);
        return spa_fail(err, SPA_E_USAGE,
                        "--rate is for the scenarios periodic and poisson, not "
                        "'%.100s'",
                        name);
    }
    if (options->rate_hz > 0 && scenario->relative)
        return spa_fail(err, SPA_E_USAGE,
                        "scenario '%.100s' has its rate in service times; --rate cannot change it",
                        name);
    if (options->rate_hz > 0) {
        snprintf(scenario->name, sizeof scenario->name, "%s %.6g/s",
                 scenario->arrivals == SPA_ARRIVALS_PERIODIC ? "periodic" : "poisson",
                 options->rate_hz);
        scenario->rate_hz = options->rate_hz;
    }
    if (steady && scenario->rate_hz == 0)
        return spa_fail(err, SPA_E_USAGE, "scenario '%s' needs --rate HZ, the requests per second",
                        name);
    return SPA_OK;
}

static spa_status check_requests(const spa_options *options, spa_scenario *scenario, spa_error *err)
{
    if (scenario->warmup >= scenario->requests)
        return spa_fail(err, SPA_E_USAGE,
                        "--requests must be more than the scenario's warm-up, %llu",
                        (unsigned long long)scenario->warmup);
    if (scenario->arrivals == SPA_ARRIVALS_RECORDED && scenario->requests > scenario->n_arrivals)
        return spa_fail(err, SPA_E_USAGE,
                        "--requests must be at most the %llu arrivals that scenario '%s' has",
                        (unsigned long long)scenario->n_arrivals, scenario->name);
    return SPA_OK;
}

static spa_status scenario_of(const spa_options *options, spa_scenario *scenario, spa_error *err)
{
    const char *name = options->scenario;
    if (!name && options->rate_hz > 0) name = "poisson";
    if (!name) name = options->concurrency > 1 ? "closed" : "single";
    SPA_TRY(load_scenario(options, name, scenario, err));
    SPA_TRY(take_rate(options, name, scenario, err));
    if (options->concurrency > 1 && scenario->arrivals == SPA_ARRIVALS_SINGLE) {
        return spa_fail(err, SPA_E_USAGE,
                        "--concurrency %lld needs a closed scenario, not '%.100s'",
                        (long long)options->concurrency, name);
    }
    if (options->concurrency) {
        uint64_t least = 20 * (uint64_t)options->concurrency;
        scenario->concurrency = (uint32_t)options->concurrency;
        if (!options->requests && scenario->requests < least) scenario->requests = least;
    }
    if (options->requests) scenario->requests = (uint64_t)options->requests;
    spa_status status = check_requests(options, scenario, err);
    if (status) spa_scenario_fini(scenario);
    return status;
}

spa_status spa_study_scenario_of(const spa_options *options, size_t i, spa_scenario *scenario,
                                 spa_error *err)
{
    spa_options one = *options;
    if (options->scenarios.count) one.scenario = options->scenarios.items[i];
    if (options->scenarios.count > 1) {
        const char *name = one.scenario;
        SPA_TRY(spa_cli_name_status(
            spa_scenario_find(scenario, name, options->scenario_folder, err), name, err));
        if (scenario->arrivals != SPA_ARRIVALS_PERIODIC &&
            scenario->arrivals != SPA_ARRIVALS_POISSON)
            one.rate_hz = 0;
        if (scenario->arrivals == SPA_ARRIVALS_SINGLE) one.concurrency = 0;
        spa_scenario_fini(scenario);
    }
    return scenario_of(&one, scenario, err);
}

spa_status spa_study_scenario(const spa_options *options, spa_scenario *scenario, spa_error *err)
{
    return spa_study_scenario_of(options, 0, scenario, err);
}

uint64_t spa_study_reps(const spa_options *options)
{
    if (options->reps) return (uint64_t)options->reps;
    return options->noise ? DEFAULT_REPS : 1;
}

spa_status spa_study_add_plugged(spa_options *options, spa_names *policies, spa_error *err)
{
    size_t count;
    const spa_policy *const *known = spa_plugins_policies(options->plugins, &count);
    for (size_t k = 0; k < count; k++) {
        SPA_TRY(spa_names_add(options, policies, known[k]->name, err));
    }
    return SPA_OK;
}

spa_status spa_study_policies(spa_options *options, spa_names *policies, spa_error *err)
{
    static const char *const every[] = {"all"};
    spa_names given = options->policies;
    if (given.count == 0) given = (spa_names){.items = (const char **)every, .count = 1};
    for (size_t i = 0; i < given.count; i++) {
        if (strcmp(given.items[i], "all") == 0) {
            size_t count;
            const spa_policy *const *known = spa_policies(&count);
            for (size_t k = 0; k < count; k++) {
                SPA_TRY(spa_names_add(options, policies, known[k]->name, err));
            }
            SPA_TRY(spa_study_add_plugged(options, policies, err));
            continue;
        }
        const spa_policy *policy;
        spa_param_values values;
        if (spa_plugins_parse(options->plugins, given.items[i], &policy, &values, err)) {
            if (err) err->status = SPA_E_USAGE;
            return SPA_E_USAGE;
        }
        SPA_TRY(spa_names_add(options, policies, given.items[i], err));
    }
    return SPA_OK;
}

/* ---------------------------------------------------------------- one policy */
typedef struct trial {
    const spa_case *c;
    const spa_options *options;
    const spa_scenario *scenario;
    const spa_policy *policy;
    void *self;
    spa_evaluator *evaluator;
    spa_planned planned; /* of a case of several programs, instead of self and evaluator */
    spa_engine *engine;
    spa_histogram latencies;
    const spa_recorder *recorder;
    bool recording;
    spa_run_result sum; /* totals over replications */
    spa_moments means;  /* of the replications' mean latencies, ns */
} trial;

static void record(void *user, const spa_event *event)
{
    trial *t = user;
    if (t->recording) t->recorder->event(t->recorder->user, event);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* Creates the policy and lets it plan. SPA_E_UNSUPPORTED = skip. */
static spa_status prepare(trial *t, const char *text, spa_outcome *outcome, spa_error *err)
{
    spa_param_values values;
    const spa_case *c = t->c;
    SPA_TRY(spa_plugins_parse(t->options->plugins, text, &t->policy, &values, err));
    spa_objective objective = (spa_objective)t->options->objective;
    if (!(t->policy->objectives & (uint32_t)objective)) {
        return spa_fail(err, SPA_E_UNSUPPORTED, "does not honour the objective '%s'",
                        spa_objective_name(objective));
    }
    if (!c->power_known && (objective & (SPA_OBJECTIVE_ENERGY | SPA_OBJECTIVE_EDP))) {
        return spa_fail(err, SPA_E_UNSUPPORTED, "the power of '%s' is not known", c->costs.device);
    }
    double begin = now_ms();
    if (spa_planned_needed(c, t->options)) {
        SPA_TRY(spa_planned_open(&t->planned, c, t->options, t->scenario, t->policy, &values, err));
        outcome->splits = t->planned.splits;
    } else {
        SPA_TRY(spa_study_plan(c, t->options, t->policy, &values, &t->self, &t->evaluator,
                               &outcome->plan, err));
        outcome->splits = outcome->plan.n_ops && spa_schedule_splits(&outcome->plan);
    }
    outcome->plan_host_ms = now_ms() - begin;
    return SPA_OK;
}

spa_status spa_study_plan(const spa_case *c, const spa_options *options, const spa_policy *policy,
                          const spa_param_values *values, void **self, spa_evaluator **evaluator,
                          spa_schedule *plan, spa_error *err)
{
    if (policy->create) SPA_TRY(policy->create(self, values, err));
    if (!policy->plan) return SPA_OK;
    SPA_TRY(spa_schedule_init(plan, c->graph.n_ops, err));
    SPA_TRY(spa_evaluator_new(evaluator, &c->graph, &c->costs, options->contention != 0, err));
    spa_plan_context context = {.graph = &c->graph,
                                .costs = &c->costs,
                                .objective = (spa_objective)options->objective,
                                .seed = (uint64_t)options->seed,
                                .budget = (uint64_t)options->budget,
                                .evaluator = *evaluator,
                                .trained = c->trained,
                                .no_predictions = options->ablated & SPA_ABLATE_PREDICTOR};
    return policy->plan(*self, &context, plan, err);
}

static spa_run_config run_config(const trial *t, const spa_outcome *outcome)
{
    spa_run_config config = spa_run_config_default();
    config.graph = &t->c->graph;
    config.costs = &t->c->costs;
    config.policy = t->policy;
    config.self = t->self;
    config.schedule = outcome->plan.n_ops ? &outcome->plan : NULL;
    config.scenario = *t->scenario;
    config.objective = (spa_objective)t->options->objective;
    config.noise = t->options->noise != 0;
    config.contention = t->options->contention != 0;
    config.policy_cost = t->options->policy_cost != 0;
    config.seed = (uint64_t)t->options->seed;
    if (t->planned.n) spa_planned_configure(&t->planned, &config);
    return config;
}

static spa_status make_engine(trial *t, const spa_outcome *outcome, spa_error *err)
{
    spa_run_config config = run_config(t, outcome);
    if (t->recorder) {
        config.record = record;
        config.record_user = t;
    }
    if (t->recorder && t->recorder->begin)
        t->recorder->begin(t->recorder->user,
                           config.programs ? &config.programs->costs : config.costs);
    return spa_engine_new(&t->engine, &config, err);
}

static int64_t bound_of(const trial *t)
{
    bool splits = t->policy && t->policy->capabilities & SPA_CAP_SPLIT;
    return splits ? t->c->split_bound_ns : t->c->lower_bound_ns;
}

/* The bound knows no noise, so the gap to it is that of a run without noise: the sample mean of a
 * few noisy replications may even lie below the bound. */
static spa_status measure_gap(const trial *t, spa_outcome *outcome, spa_error *err)
{
    spa_run_config config = run_config(t, outcome);
    spa_engine *engine = NULL;
    spa_run_result result;
    spa_status status;
    config.noise = false;
    SPA_TRY(spa_engine_new(&engine, &config, err));
    status = spa_engine_run(engine, NULL, &result, err);
    int64_t bound_ns = bound_of(t);
    if (!status && bound_ns > 0) outcome->gap = result.latency_ns.mean / (double)bound_ns - 1;
    spa_engine_free(engine);
    return status;
}

static void add_result(spa_run_result *sum, const spa_run_result *r)
{
    sum->requests += r->requests;
    sum->span_ns += r->span_ns;
    sum->energy_j += r->energy_j;
    sum->energy_dynamic_j += r->energy_dynamic_j;
    sum->dispatch_ns += r->dispatch_ns;
    sum->transfers += r->transfers;
    sum->transfer_ns += r->transfer_ns;
    sum->overlap_ns += r->overlap_ns;
    sum->missed += r->missed;
    sum->tardiness_ns += r->tardiness_ns;
    sum->latency_ns.count += r->latency_ns.count;
    for (int p = 0; p < SPA_MAX_PROCESSORS; p++) {
        sum->energy_processor_j[p] += r->energy_processor_j[p];
        sum->busy_ns[p] += r->busy_ns[p];
        sum->ops[p] += r->ops[p];
        sum->macs[p] += r->macs[p];
    }
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : NAN;
}

static void keep_sample(const trial *t, const spa_run_result *r, spa_outcome *o, uint64_t at)
{
    double inferences = (double)r->requests * t->c->graph.batch;
    o->rep_ms[at] = r->latency_ns.mean * 1e-6;
    o->rep_mj[at] = t->c->power_known ? ratio(r->energy_j * 1e3, inferences) : NAN;
    o->rep_ips[at] = ratio(inferences, (double)r->span_ns * 1e-9);
}

/* Are n replications enough? Looked at after the least number and then after every so many. */
static bool is_precise(const trial *t, const spa_outcome *o, uint64_t n)
{
    const spa_options *options = t->options;
    spa_objective objective = (spa_objective)options->objective;
    if (n < (uint64_t)options->min_reps || (n - (uint64_t)options->min_reps) % REPS_BETWEEN_LOOKS)
        return false;
    spa_moments m = {0};
    for (uint64_t r = 0; r < n; r++) spa_moments_add(&m, spa_outcome_sample(o, objective, r));
    return spa_ci_half_width(n, spa_moments_sd(&m), 0.95) <= options->half_width * fabs(m.mean);
}

static spa_status replicate(trial *t, spa_outcome *outcome, spa_error *err)
{
    uint64_t seed = (uint64_t)t->options->seed, most = outcome->n_reps;
    SPA_TRY(spa_alloc(&outcome->rep_ms, 3 * most, sizeof *outcome->rep_ms, err));
    outcome->rep_mj = outcome->rep_ms + most;
    outcome->rep_ips = outcome->rep_mj + most;
    outcome->is_precise = t->options->half_width == 0;
    for (uint64_t r = 0; r < most; r++) {
        spa_run_result result;
        t->recording = t->recorder && r == 0;
        SPA_TRY(spa_engine_restart(t->engine, seed, r, NULL, err));
        SPA_TRY(spa_engine_run(t->engine, &t->latencies, &result, err));
        add_result(&t->sum, &result);
        if (t->planned.n) spa_planned_note(&t->planned, t->engine);
        spa_moments_add(&t->means, result.latency_ns.mean);
        keep_sample(t, &result, outcome, r);
        if (r == 0) outcome->first_digest = result.digest;
        /* One replication: the run's own digest. */
        outcome->digest = r ? spa_hash_u64(outcome->digest, result.digest) : result.digest;
        if (t->options->half_width == 0 || !is_precise(t, outcome, r + 1)) continue;
        outcome->is_precise = true;
        outcome->n_reps = r + 1;
        break;
    }
    /* Without chance one replication is all there is to know. */
    bool varies = t->options->noise && t->options->scales.noise > 0;
    if (most == 1 && !varies) outcome->is_precise = true;
    return SPA_OK;
}

static void summarise_energy(const trial *t, spa_outcome *o)
{
    const spa_run_result *s = &t->sum;
    double inferences = (double)s->requests * t->c->graph.batch;
    bool known = t->c->power_known;
    o->energy_mj = known ? s->energy_j * 1e3 / inferences : NAN;
    o->energy_dynamic_mj = known ? s->energy_dynamic_j * 1e3 / inferences : NAN;
    o->power_w = known ? ratio(s->energy_j, (double)s->span_ns * 1e-9) : NAN;
    for (int p = 0; p < SPA_MAX_PROCESSORS; p++) {
        o->processor_mj[p] = known ? s->energy_processor_j[p] * 1e3 / inferences : NAN;
    }
    o->throughput_ips = ratio(inferences, (double)s->span_ns * 1e-9);
}

static void summarise_deadline(const trial *t, spa_outcome *o)
{
    spa_scenario scenario = *t->scenario;
    double counted = (double)t->sum.latency_ns.count;
    spa_scenario_resolve(&scenario, spa_case_service_ns(t->c));
    o->deadline_ms = scenario.deadline_ms > 0 ? scenario.deadline_ms : NAN;
    o->miss_rate = scenario.deadline_ms > 0 ? ratio((double)t->sum.missed, counted) : NAN;
    o->tardiness_ms = scenario.deadline_ms > 0 ? ratio(t->sum.tardiness_ns * 1e-6, counted) : NAN;
}

static void summarise(const trial *t, spa_outcome *o)
{
    const spa_run_result *s = &t->sum;
    const spa_costs *costs = &t->c->costs;
    double requests = (double)s->requests;
    o->requests = s->requests;
    o->latency_ms = t->means.mean * 1e-6;
    o->p50_ms = spa_histogram_quantile(&t->latencies, 0.50) * 1e-6;
    o->p95_ms = spa_histogram_quantile(&t->latencies, 0.95) * 1e-6;
    o->p99_ms = spa_histogram_quantile(&t->latencies, 0.99) * 1e-6;
    /* One noisy replication has an interval, but nobody knows how wide. */
    bool unknown = t->means.count < 2 && t->options->noise;
    o->ci95_ms =
        unknown ? NAN : spa_ci_half_width(t->means.count, spa_moments_sd(&t->means), 0.95) * 1e-6;
    o->lower_bound_ms = (double)bound_of(t) * 1e-6;
    summarise_energy(t, o);
    double macs = 0, accelerated = 0;
    int used = 0;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        macs += s->macs[p];
        if (costs->processors[p].role == SPA_ROLE_ACCELERATOR) accelerated += s->macs[p];
        used += s->ops[p] > 0;
        o->busy[p] =
            ratio((double)s->busy_ns[p], (double)s->span_ns * costs->processors[p].n_lanes);
    }
    o->hybrid = used > 1;
    o->gpu_share = ratio(accelerated, macs);
    o->transfers = (double)s->transfers / requests;
    o->transfer_ms = (double)s->transfer_ns * 1e-6 / requests;
    o->overlap = ratio((double)s->overlap_ns, (double)s->transfer_ns);
    o->dispatch_ms = (double)s->dispatch_ns * 1e-6 / requests;
    summarise_deadline(t, o);
}

spa_status spa_study_run(const spa_case *c, const spa_options *options,
                         const spa_scenario *scenario, const char *policy,
                         const spa_recorder *recorder, spa_outcome *outcome, spa_error *err)
{
    trial t = {.c = c, .options = options, .scenario = scenario, .recorder = recorder};
    spa_error cause = {0};
    *outcome = (spa_outcome){.policy = policy, .n_reps = spa_study_reps(options)};
    spa_status status = spa_histogram_init(&t.latencies, &cause);
    if (!status) status = prepare(&t, policy, outcome, &cause);
    if (!status) status = make_engine(&t, outcome, &cause);
    if (status == SPA_E_UNSUPPORTED) {
        outcome->is_skipped = true;
        snprintf(outcome->skipped, sizeof outcome->skipped, "%.500s", cause.message);
        status = SPA_OK;
    } else if (!status) {
        outcome->gap = NAN;
        /* The bound is one request's: with more in flight there is nothing to compare it with. */
        if (scenario->concurrency == 1 && !t.planned.n) status = measure_gap(&t, outcome, &cause);
        if (!status) status = replicate(&t, outcome, &cause);
        if (!status) summarise(&t, outcome);
        if (!status && t.planned.n)
            status = spa_planned_summarise(&t.planned, t.sum.span_ns, outcome, &cause);
    }
    spa_engine_free(t.engine);
    spa_evaluator_free(t.evaluator);
    if (t.policy && t.policy->destroy && !spa_planned_needed(c, options)) t.policy->destroy(t.self);
    spa_planned_close(&t.planned);
    spa_histogram_fini(&t.latencies);
    if (status) {
        spa_outcome_fini(outcome);
        return spa_fail(err, status, "%s on %s with policy %.100s: %.550s", c->graph.name,
                        c->costs.device, policy, cause.message);
    }
    return SPA_OK;
}

void spa_outcome_fini(spa_outcome *outcome)
{
    free(outcome->rep_ms);
    free(outcome->parts);
    spa_schedule_fini(&outcome->plan);
    outcome->rep_ms = outcome->rep_mj = outcome->rep_ips = NULL;
}

double spa_outcome_value(const spa_outcome *o, spa_objective objective)
{
    if (o->is_skipped) return NAN;
    switch (objective) {
    case SPA_OBJECTIVE_ENERGY:
        return o->energy_mj;
    case SPA_OBJECTIVE_EDP:
        return o->energy_mj * o->latency_ms;
    case SPA_OBJECTIVE_THROUGHPUT:
        return ratio(1, o->throughput_ips);
    case SPA_OBJECTIVE_LATENCY:
        break;
    }
    return o->latency_ms;
}

double spa_outcome_sample(const spa_outcome *o, spa_objective objective, uint64_t r)
{
    switch (objective) {
    case SPA_OBJECTIVE_ENERGY:
        return o->rep_mj[r];
    case SPA_OBJECTIVE_EDP:
        return o->rep_mj[r] * o->rep_ms[r];
    case SPA_OBJECTIVE_THROUGHPUT:
        return ratio(1, o->rep_ips[r]);
    case SPA_OBJECTIVE_LATENCY:
        break;
    }
    return o->rep_ms[r];
}
