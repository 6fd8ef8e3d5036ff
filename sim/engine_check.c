/* What a configuration must be for a run, and what follows from it. */
#include "sim/engine_state.h"

/* Bits that hold 0 .. n-1. */
uint32_t engine_bit_width(uint64_t n)
{
    uint32_t bits = 0;
    while (n > UINT64_C(1) << bits) bits++;
    return bits;
}

/* May operators be split in this run? */
bool engine_splits(const spa_run_config *c)
{
    return c->splits ||
           (c->policy && c->policy->place && c->policy->capabilities & SPA_CAP_SPLIT) ||
           (c->schedule && spa_schedule_splits(c->schedule));
}

/* Programs bring graph, costs and schedule: by now these are set. */
static spa_status check_programs(const spa_run_config *c, spa_error *err)
{
    if (c->executor || c->stepped)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "several programs run with the cost model only, and not step by step");
    if (c->scenario.serial_ops)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "scenario '%s': a critical section (serial_ops) is of one program; leave "
                        "it out of a mix",
                        c->scenario.name);
    return SPA_OK;
}

spa_status engine_check_table(const spa_run_config *c, spa_error *err)
{
    if (!c->graph || !c->costs || c->costs->graph != c->graph)
        return spa_fail(err, SPA_E_INVALID, "the cost table belongs to another graph");
    if (c->graph->n_ops == 0) return spa_fail(err, SPA_E_INVALID, "the graph has no operators");
    return SPA_OK;
}

/* The reference service time of the run: of several programs, that of a request in the mean. */
double engine_service_ns(const spa_run_config *c)
{
    double sum = 0, weights = 0;
    if (!c->scenario.relative) return 0;
    if (!c->programs) return (double)spa_service_ns(c->costs);
    for (uint32_t i = 0; i < c->programs->count; i++) {
        const spa_program *program = &c->programs->items[i];
        if (program->samples > 1) continue; /* a batch: a request is one sample */
        sum += program->weight * (double)spa_service_ns(program->costs);
        weights += program->weight;
    }
    return sum / weights;
}

static spa_status check_arrivals(const spa_run_config *c, spa_error *err)
{
    const spa_scenario *s = &c->scenario;
    bool steady = s->arrivals == SPA_ARRIVALS_PERIODIC || s->arrivals == SPA_ARRIVALS_POISSON;
    if (steady && !(s->rate_hz >= 1e-6 && s->rate_hz <= 1e9))
        return spa_fail(err, SPA_E_INVALID,
                        "scenario '%s': %g arrivals per second; give a rate of 1e-6 to 1e9",
                        s->name, s->rate_hz);
    for (int i = 0; i < 2 && s->arrivals == SPA_ARRIVALS_BURSTY; i++)
        if (!(s->phases[i].rate_hz >= 0 && s->phases[i].rate_hz <= 1e9) ||
            !(s->phases[i].mean_ms > 0) || !(s->phases[SPA_PHASE_HIGH].rate_hz > 0))
            return spa_fail(err, SPA_E_INVALID,
                            "scenario '%s': %g arrivals per second for %g ms; give a rate up to "
                            "1e9 and a time",
                            s->name, s->phases[i].rate_hz, s->phases[i].mean_ms);
    if (s->arrivals == SPA_ARRIVALS_RECORDED && s->requests > s->n_arrivals)
        return spa_fail(err, SPA_E_INVALID,
                        "scenario '%s': %llu requests, but only %llu recorded arrivals", s->name,
                        (unsigned long long)s->requests, (unsigned long long)s->n_arrivals);
    if (s->mix[0] && !c->programs)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "scenario '%s' is a mix of several models (%s), this is a run of one",
                        s->name, s->mix);
    return SPA_OK;
}

/* Some processor must be able to run every operator. */
static spa_status check_runnable(const spa_costs *costs, spa_error *err)
{
    for (size_t op = 0; op < costs->n_ops; op++) {
        bool any = costs->graph->ops[op].kind == SPA_OP_RESHAPE;
        for (uint32_t p = 0; p < costs->n_processors; p++) any |= spa_cost_can_run(costs, op, p);
        if (!any)
            return spa_fail(err, SPA_E_INVALID, "no processor can run operator '%s' (%s)",
                            costs->graph->ops[op].name,
                            spa_op_kind_name(costs->graph->ops[op].kind));
    }
    return SPA_OK;
}

/* Queue by queue, each at rising batch sizes, the first of one sample. */
static spa_status check_queues(const spa_run_config *c, spa_error *err)
{
    const spa_programs *all = c->programs;
    uint32_t queue = UINT32_MAX, samples = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        const spa_program *p = &all->items[i];
        if (p->queue != queue ? p->queue != queue + 1 || p->samples != 1 : p->samples <= samples)
            return spa_fail(
                err, SPA_E_INVALID,
                "batcher '%s': programs must stand queue by queue and in order of their "
                "samples, the first of each of one sample; '%s' does not",
                c->batcher->name, p->label);
        queue = p->queue;
        samples = p->samples;
    }
    if (queue >= ENGINE_MAX_QUEUES)
        return spa_fail(err, SPA_E_RANGE, "batcher '%s': more than %d queues", c->batcher->name,
                        ENGINE_MAX_QUEUES);
    return SPA_OK;
}

static spa_status check_batcher(const spa_run_config *c, spa_error *err)
{
    if (!c->batcher->decide)
        return spa_fail(err, SPA_E_INVALID, "batcher '%s' batches nothing; leave it out",
                        c->batcher->name);
    if (!spa_scenario_is_open(&c->scenario))
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "batcher '%s': batches are made of requests that arrive by themselves; "
                        "scenario '%s' is not of that kind (poisson, periodic, bursty and recorded "
                        "are)",
                        c->batcher->name, c->scenario.name);
    if (!c->programs)
        return spa_fail(err, SPA_E_INVALID,
                        "batcher '%s': needs a program for every batch size of the model",
                        c->batcher->name);
    return check_queues(c, err);
}

/* Beside background loads things take longer, but are what they are. */
static bool changes_speeds(const spa_conditions *c)
{
    return c->governor != SPA_GOVERNOR_FIXED || c->thermal.r_k_per_w > 0 || c->zeros_sd > 0;
}

spa_status engine_check_config(const spa_run_config *c, spa_error *err)
{
    const spa_costs *costs = c->costs;
    const spa_scenario *s = &c->scenario;
    uint64_t moves;
    SPA_TRY(check_runnable(costs, err));
    if (c->programs) SPA_TRY(check_programs(c, err));
    if (c->batcher) SPA_TRY(check_batcher(c, err));
    if (c->stepped && (c->executor || c->policy))
        return spa_fail(err, SPA_E_INVALID,
                        "a stepped run is decided by its caller: it has neither a policy nor an "
                        "executor");
    if (!c->stepped && !c->schedule && !(c->policy && c->policy->place))
        return spa_fail(err, SPA_E_INVALID, "a run needs a schedule or a policy that places");
    if (c->policy && !(c->policy->objectives & (uint32_t)c->objective))
        return spa_fail(err, SPA_E_UNSUPPORTED, "policy '%s' does not honour objective '%s'",
                        c->policy->name, spa_objective_name(c->objective));
    if (c->schedule && spa_schedule_chunks(c->schedule) && changes_speeds(&s->conditions))
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "scenario '%s' changes clocks or zeros, and the schedule runs operators in "
                        "chunks: their speed is then not known",
                        s->name);
    if (c->executor && c->schedule && spa_schedule_chunks(c->schedule))
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "the schedule runs operators in chunks, and these lanes cannot");
    if (c->executor && !c->executor->part && engine_splits(c))
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "the schedule splits operators, and these lanes cannot run parts");
    for (size_t op = 0; op < c->graph->n_ops; op++)
        if (c->graph->ops[op].n_inputs > SPA_MAX_OP_INPUTS)
            return spa_fail(err, SPA_E_RANGE, "operator '%s' has more than %d inputs",
                            c->graph->ops[op].name, SPA_MAX_OP_INPUTS);
    if (s->requests == 0 || s->concurrency == 0 || s->warmup >= s->requests)
        return spa_fail(err, SPA_E_INVALID,
                        "scenario '%s': needs requests >= 1, concurrency >= 1, warmup < requests",
                        s->name);
    SPA_TRY(check_arrivals(c, err));
    if (s->serial_ops > c->graph->n_ops)
        return spa_fail(err, SPA_E_INVALID, "scenario '%s': serial_ops %u exceeds %zu operators",
                        s->name, s->serial_ops, c->graph->n_ops);
    moves = costs->n_tensors + (engine_splits(c) ? costs->n_ops : 0);
    moves = (uint64_t)s->concurrency << engine_bit_width(moves) << 2;
    if (moves >= SPA_NONE)
        return spa_fail(err, SPA_E_RANGE, "%u requests of %zu operators in flight are too many",
                        s->concurrency, c->graph->n_ops);
    return SPA_OK;
}
