#include "experiments/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/cli.h"

/* ---------------------------------------------------------------- the text of a mix */
bool spa_parts_is_mix(const char *model)
{
    return strchr(model, '+') != NULL || strchr(model, '*') != NULL;
}

static spa_status fail_mix(const char *text, const char *what, spa_error *err)
{
    return spa_fail(err, SPA_E_USAGE,
                    "mix '%.200s': %s; write MODEL*WEIGHT+MODEL*WEIGHT, as in "
                    "resnet18*3+mobilenet_v2",
                    text, what);
}

/* "resnet18*3" into name and weight. */
static spa_status read_part(const char *text, char *part, double *weight, spa_error *err)
{
    char *star = strchr(part, '*');
    *weight = 1;
    if (star) {
        *star = '\0';
        if (!spa_parse_double(star + 1, weight) || !(*weight > 0) || !(*weight <= 1e6))
            return fail_mix(text, "a weight is a number above 0, at most 1e6", err);
    }
    if (!*part) return fail_mix(text, "a model's name is missing", err);
    return SPA_OK;
}

/* Names and weights; the names point into *copy. */
static spa_status read_mix(const char *text, char *copy, const char *names[SPA_MIX_MOST],
                           double weights[SPA_MIX_MOST], size_t *count, spa_error *err)
{
    size_t n = 0;
    char *rest;
    for (char *part = copy; part; part = rest) {
        rest = strchr(part, '+');
        if (rest) *rest++ = '\0';
        if (n == SPA_MIX_MOST) return fail_mix(text, "more than 16 models", err);
        SPA_TRY(read_part(text, part, &weights[n], err));
        for (size_t i = 0; i < n; i++)
            if (strcmp(names[i], part) == 0)
                return fail_mix(text, "a model stands in it twice; give it a weight", err);
        names[n++] = part;
    }
    if (n < 2) return fail_mix(text, "it has one model", err);
    *count = n;
    return SPA_OK;
}

/* ---------------------------------------------------------------- cases */
/* The table of all parts together, without schedules: what headings, keys and origins are of. */
static spa_status join_parts(spa_case *c, spa_error *err)
{
    spa_program list[SPA_MIX_MOST];
    double bound = 0, split_bound = 0, sum = 0;
    for (size_t i = 0; i < c->n_parts; i++) {
        const spa_case *part = &c->parts[i];
        list[i] = (spa_program){.label = part->graph.name,
                                .graph = &part->graph,
                                .costs = &part->costs,
                                .weight = c->weights[i]};
        sum += c->weights[i];
        bound += c->weights[i] * (double)part->lower_bound_ns;
        split_bound += c->weights[i] * (double)part->split_bound_ns;
    }
    SPA_TRY(spa_programs_new(&c->joint, list, c->n_parts, err));
    c->graph = c->joint->graph;
    c->graph.name = c->model;
    c->costs = c->joint->costs;
    c->lower_bound_ns = llround(bound / sum);
    c->split_bound_ns = llround(split_bound / sum);
    c->power_known = c->parts[0].power_known;
    return SPA_OK;
}

static spa_status open_mix(spa_case *c, const spa_options *options, const spa_paths *paths,
                           const char *device, spa_error *err)
{
    const char *names[SPA_MIX_MOST];
    double weights[SPA_MIX_MOST];
    size_t count;
    SPA_TRY(spa_strdup(&c->text, c->model, err));
    SPA_TRY(read_mix(c->model, c->text, names, weights, &count, err));
    SPA_TRY(spa_alloc(&c->parts, count, sizeof *c->parts, err));
    SPA_TRY(spa_alloc(&c->weights, count, sizeof *c->weights, err));
    memcpy(c->weights, weights, count * sizeof *weights);
    for (size_t i = 0; i < count; i++, c->n_parts++)
        SPA_TRY(spa_case_open(&c->parts[i], options, paths, names[i], device, err));
    return join_parts(c, err);
}

spa_status spa_parts_open_mix(spa_case *c, const spa_options *options, const spa_paths *paths,
                              const char *text, const char *device, spa_error *err)
{
    *c = (spa_case){.model = text, .kind = SPA_CASE_MIX, .trained = paths ? paths->trained : NULL};
    spa_status status = open_mix(c, options, paths, device, err);
    if (status) spa_case_close(c);
    return status;
}

void spa_parts_close(spa_case *c)
{
    for (size_t i = 0; i < c->n_parts; i++) spa_case_close(&c->parts[i]);
    free(c->parts);
    free(c->weights);
    free(c->text);
    spa_programs_free(c->joint);
    if (c->kind != SPA_CASE_MIX) return;
    c->graph = (spa_graph){0}; /* they were the joint ones */
    c->costs = (spa_costs){0};
}

/* ---------------------------------------------------------------- planning */
static spa_status plan_part(spa_planned *p, size_t i, const spa_options *options,
                            const spa_param_values *values, spa_error *err)
{
    SPA_TRY(spa_study_plan(&p->c->parts[i], options, p->policy, values, &p->selves[i],
                           &p->evaluators[i], &p->plans[i], err));
    p->splits = p->splits || (p->plans[i].n_ops && spa_schedule_splits(&p->plans[i]));
    return spa_histogram_init(&p->latencies[i], err);
}

static spa_status join_planned(spa_planned *p, spa_error *err)
{
    spa_program list[SPA_MIX_MOST];
    for (size_t i = 0; i < p->n; i++)
        list[i] = (spa_program){.label = p->c->parts[i].graph.name,
                                .graph = &p->c->parts[i].graph,
                                .costs = &p->c->parts[i].costs,
                                .schedule = p->plans[i].n_ops ? &p->plans[i] : NULL,
                                .self = p->selves[i],
                                .weight = p->c->weights[i]};
    return spa_programs_new(&p->programs, list, p->n, err);
}

spa_status spa_planned_open(spa_planned *p, const spa_case *c, const spa_options *options,
                            const spa_policy *policy, const spa_param_values *values,
                            spa_error *err)
{
    *p = (spa_planned){.c = c, .policy = policy, .n = c->n_parts};
    SPA_TRY(spa_alloc(&p->selves, p->n, sizeof *p->selves, err));
    SPA_TRY(spa_alloc(&p->evaluators, p->n, sizeof *p->evaluators, err));
    SPA_TRY(spa_alloc(&p->plans, p->n, sizeof *p->plans, err));
    SPA_TRY(spa_alloc(&p->latencies, p->n, sizeof *p->latencies, err));
    SPA_TRY(spa_alloc(&p->sums, p->n, sizeof *p->sums, err));
    SPA_TRY(spa_alloc(&p->requests, p->n, sizeof *p->requests, err));
    for (size_t i = 0; i < p->n; i++) SPA_TRY(plan_part(p, i, options, values, err));
    return join_planned(p, err);
}

void spa_planned_close(spa_planned *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->evaluators) spa_evaluator_free(p->evaluators[i]);
        if (p->selves && p->selves[i] && p->policy->destroy) p->policy->destroy(p->selves[i]);
        if (p->plans) spa_schedule_fini(&p->plans[i]);
        if (p->latencies) spa_histogram_fini(&p->latencies[i]);
    }
    spa_programs_free(p->programs);
    free(p->selves);
    free(p->evaluators);
    free(p->plans);
    free(p->latencies);
    free(p->sums);
    free(p->requests);
    *p = (spa_planned){0};
}

void spa_planned_configure(const spa_planned *p, spa_run_config *config)
{
    config->graph = NULL;
    config->costs = NULL;
    config->schedule = NULL;
    config->self = NULL;
    config->programs = p->programs;
    config->by_program = p->latencies;
}

void spa_planned_note(spa_planned *p, const spa_engine *engine)
{
    for (size_t i = 0; i < p->n; i++) {
        spa_moments m = spa_engine_program_latency(engine, (uint32_t)i);
        p->requests[i] += m.count;
        p->sums[i] += m.mean * (double)m.count;
    }
}

spa_status spa_planned_summarise(const spa_planned *p, int64_t span_ns, spa_outcome *o,
                                 spa_error *err)
{
    if (p->c->kind != SPA_CASE_MIX) return SPA_OK;
    SPA_TRY(spa_alloc(&o->parts, p->n, sizeof *o->parts, err));
    o->n_parts = p->n;
    for (size_t i = 0; i < p->n; i++) {
        double n = (double)p->requests[i], batch = p->c->parts[i].graph.batch;
        o->parts[i] = (spa_part_outcome){
            .model = p->c->parts[i].graph.name,
            .requests = p->requests[i],
            .latency_ms = n > 0 ? p->sums[i] / n * 1e-6 : NAN,
            .p50_ms = spa_histogram_quantile(&p->latencies[i], 0.50) * 1e-6,
            .p95_ms = spa_histogram_quantile(&p->latencies[i], 0.95) * 1e-6,
            .p99_ms = spa_histogram_quantile(&p->latencies[i], 0.99) * 1e-6,
            .throughput_ips = span_ns > 0 ? n * batch / ((double)span_ns * 1e-9) : NAN,
        };
    }
    return SPA_OK;
}
