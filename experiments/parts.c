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
    size_t count = 0;
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

spa_status spa_parts_open(spa_case *c, const spa_options *options, const spa_paths *paths,
                          const char *model, const char *device, spa_error *err)
{
    if (spa_parts_is_mix(model)) return spa_parts_open_mix(c, options, paths, model, device, err);
    return spa_case_open(c, options, paths, model, device, err);
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
