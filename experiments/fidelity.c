/* The cases: what was fitted, what is predicted, how far off. */
#include "experiments/fidelity.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- collecting ------------------------------------------------------------------------------ */

fidelity_case *fidelity_open(fidelity *f, const char *name, const char *fitted_on,
                             const char *predicted, fidelity_rule rule, double limit)
{
    fidelity_case *c = &f->cases[f->n_cases];
    *c = (fidelity_case){.name = name,
                         .fitted_on = fitted_on,
                         .predicted = predicted,
                         .rule = rule,
                         .limit = limit,
                         .first = f->n_points};
    return c;
}

spa_status fidelity_add(fidelity *f, const char *unit, double measured, double predicted,
                        spa_error *err, const char *fmt, ...)
{
    char item[64];
    va_list args;
    fidelity_point p = {.unit = unit, .measured = measured, .predicted = predicted};
    va_start(args, fmt);
    vsnprintf(item, sizeof item, fmt, args);
    va_end(args);
    SPA_TRY(spa_grow(&f->points, &f->capacity, f->n_points + 1, sizeof *f->points, err));
    SPA_TRY(spa_arena_strdup(&f->arena, &p.item, item, err));
    f->points[f->n_points++] = p;
    return SPA_OK;
}

static bool judge(const fidelity_case *c)
{
    switch (c->rule) {
    case FIDELITY_MEDIAN:
        return c->error.median <= c->limit && (c->limit_p95 <= 0 || c->error.p95 <= c->limit_p95);
    case FIDELITY_EACH:
        return c->error.max <= c->limit;
    case FIDELITY_AT_LEAST:
        return c->bias <= c->limit;
    default:
        return true;
    }
}

spa_status fidelity_close(fidelity *f, spa_error *err)
{
    fidelity_case *c = &f->cases[f->n_cases];
    double *predicted = NULL, *measured = NULL;
    c->n = f->n_points - c->first;
    if (f->n_cases + 1 == FIDELITY_MAX_CASES)
        return spa_fail(err, SPA_E_RANGE, "more than %d cases", FIDELITY_MAX_CASES - 1);
    SPA_TRY(spa_arena_alloc(&f->arena, &predicted, c->n, sizeof *predicted, err));
    SPA_TRY(spa_arena_alloc(&f->arena, &measured, c->n, sizeof *measured, err));
    for (size_t i = 0; i < c->n; i++) {
        predicted[i] = f->points[c->first + i].predicted;
        measured[i] = f->points[c->first + i].measured;
        c->bias += (predicted[i] / measured[i] - 1) / (double)c->n;
        c->within += fabs(predicted[i] / measured[i] - 1) <= c->limit;
    }
    SPA_TRY(fit_quality_of(predicted, measured, c->n, &c->error, err));
    c->met = judge(c);
    f->n_cases++;
    return SPA_OK;
}

const fidelity_case *fidelity_find(const fidelity *f, const char *name)
{
    for (size_t i = 0; i < f->n_cases; i++)
        if (!strcmp(f->cases[i].name, name)) return &f->cases[i];
    return NULL;
}

/* Judges the points of the case before by another rule, as a case of its own. */
static spa_status judge_again(fidelity *f, const char *name, fidelity_rule rule, double limit,
                              spa_error *err)
{
    fidelity_case *c = &f->cases[f->n_cases];
    if (f->n_cases + 1 == FIDELITY_MAX_CASES)
        return spa_fail(err, SPA_E_RANGE, "more than %d cases", FIDELITY_MAX_CASES - 1);
    *c = f->cases[f->n_cases - 1];
    c->name = name;
    c->rule = rule;
    c->limit = limit;
    c->limit_p95 = 0;
    c->met = judge(c);
    f->n_cases++;
    return SPA_OK;
}

/* ---- darknet, one worker --------------------------------------------------------------------- */

typedef struct split_run {
    fit_simulated one[FIT_MAX_LAYERS + 1], many[FIT_MAX_LAYERS + 1]; /* [k], where measured */
} split_run;

static spa_status simulate_all(const fit_split *s, split_run *run, spa_error *err)
{
    for (int32_t k = 1; k <= s->n_layers; k++) {
        const fit_cut *one = &s->one[k], *many = &s->many[k];
        if (one->images) SPA_TRY(fit_split_simulate(s, k, 1, one->images, &run->one[k], err));
        if (many->images)
            SPA_TRY(fit_split_simulate(s, k, many->workers, many->images, &run->many[k], err));
    }
    return SPA_OK;
}

enum { PART_TOTAL, PART_GPU, PART_CPU, PART_PRE, PART_FPS };

static double part_of(const fit_simulated *s, int part)
{
    const double values[] = {s->total_ms, s->gpu_ms, s->cpu_ms, s->pre_ms, s->fps};
    return values[part];
}

static double measured_part(const fit_cut *c, int part)
{
    const double values[] = {c->total_ms, c->gpu_ms, c->cpu_ms, c->pre_ms, c->fps};
    return values[part];
}

/* Cases over k = start, start + step, ... Parts under 1 ms are all rounding. */
static spa_status add_cuts(fidelity *f, const fit_split *s, const fit_cut *seen,
                           const fit_simulated *run, int part, int32_t start, int32_t step,
                           spa_error *err)
{
    for (int32_t k = start; k <= s->n_layers; k += step) {
        if (!seen[k].images || measured_part(&seen[k], part) < 1) continue;
        SPA_TRY(fidelity_add(f, part == PART_FPS ? "fps" : "ms", measured_part(&seen[k], part),
                             part_of(&run[k], part), err, "k=%d workers=%d", (int)k,
                             (int)seen[k].workers));
    }
    return fidelity_close(f, err);
}

static spa_status one_worker(fidelity *f, const fit_split *s, const split_run *run, spa_error *err)
{
    static const struct {
        const char *name;
        int part;
    } parts[] = {{"darknet split, 1 worker: image", PART_TOTAL},
                 {"darknet split, 1 worker: GPU part", PART_GPU},
                 {"darknet split, 1 worker: CPU part", PART_CPU}};
    for (size_t i = 0; i < 3; i++) {
        fidelity_open(f, parts[i].name, "even k", "odd k", FIDELITY_MEDIAN, 0.04);
        SPA_TRY(add_cuts(f, s, s->one, run->one, parts[i].part, 1, 2, err));
    }
    return SPA_OK;
}

/* ---- darknet, N workers ---------------------------------------------------------------------- */

/* Throughput measured at the k that is predicted to be best, against the best that was measured. */
static spa_status best_cut(fidelity *f, const fit_split *s, const split_run *run, spa_error *err)
{
    int32_t predicted = 0, best = 0;
    for (int32_t k = 2; k <= s->n_layers; k += 2) {
        if (!s->many[k].images) continue;
        if (!predicted || run->many[k].fps > run->many[predicted].fps) predicted = k;
        if (!best || s->many[k].fps > s->many[best].fps) best = k;
    }
    if (!best) return spa_fail(err, SPA_E_INVALID, "nothing was measured with N workers");
    fidelity_open(f, "darknet split, N workers: best k", "k = 0 mod 4", "k, all even",
                  FIDELITY_AT_LEAST, 1 / 0.98 - 1);
    /* "Predicted" is the best there is, "measured" what the choice gives. */
    SPA_TRY(fidelity_add(f, "fps", s->many[predicted].fps, s->many[best].fps, err,
                         "chosen k=%d best k=%d", (int)predicted, (int)best));
    return fidelity_close(f, err);
}

/* How many workers the rule of the experiment asks for: enough to keep the critical section full.
 * The throughput cases take the measured number; this shows that the predicted one is the same. */
static spa_status worker_counts(fidelity *f, const fit_split *s, const split_run *run,
                                spa_error *err)
{
    const double most = 11;
    fidelity_open(f, "darknet split, number of workers", "even k, 1 worker", "k = 2 mod 4",
                  FIDELITY_SHOWN, 0);
    for (int32_t k = 2; k <= s->n_layers; k += 4) {
        const fit_simulated *one = &run->one[k];
        if (!s->many[k].images || !s->one[k].images) continue;
        double n = ceil(one->total_ms / (one->pre_ms + one->gpu_ms));
        SPA_TRY(fidelity_add(f, "workers", s->many[k].workers, n < most ? n : most, err, "k=%d",
                             (int)k));
    }
    return fidelity_close(f, err);
}

static spa_status n_workers(fidelity *f, const fit_split *s, const split_run *run, spa_error *err)
{
    static const struct {
        const char *name;
        int part;
    } parts[] = {{"darknet split, N workers: GPU part", PART_GPU},
                 {"darknet split, N workers: CPU part", PART_CPU},
                 {"darknet split, N workers: preprocessing", PART_PRE}};
    fidelity_case *c = fidelity_open(f, "darknet split, N workers: throughput", "k = 0 mod 4",
                                     "k = 2 mod 4", FIDELITY_MEDIAN, 0.04);
    c->limit_p95 = 0.10;
    SPA_TRY(add_cuts(f, s, s->many, run->many, PART_FPS, 2, 4, err));
    for (size_t i = 0; i < 3; i++) {
        fidelity_open(f, parts[i].name, "k = 0 mod 4", "k = 2 mod 4", FIDELITY_SHOWN, 0);
        SPA_TRY(add_cuts(f, s, s->many, run->many, parts[i].part, 2, 4, err));
    }
    SPA_TRY(best_cut(f, s, run, err));
    SPA_TRY(worker_counts(f, s, run, err));
    /* The hard case: two workers, nearly all layers on the GPU, slower than one. */
    int32_t last = (s->n_layers - 1) / 2 * 2;
    if (!s->many[last].images) return SPA_OK;
    fidelity_open(f, "darknet split, 2 workers, all on the GPU", "k = 0 mod 4", "the last k",
                  FIDELITY_SHOWN, 0);
    return add_cuts(f, s, s->many, run->many, PART_FPS, last, FIT_MAX_LAYERS, err);
}

/* ---- PyTorch eager --------------------------------------------------------------------------- */

static spa_status eager(fidelity *f, const fit_eager *e, spa_error *err)
{
    static const char *const names[EAGER_PRECISIONS] = {"PyTorch eager, 15 W sums: FP32",
                                                        "PyTorch eager, 15 W sums: FP16",
                                                        "PyTorch eager, 15 W sums: BF16"};
    for (size_t p = 0; p < EAGER_PRECISIONS; p++) {
        fidelity_open(f, names[p], "MAXN", "15 W by clocks", FIDELITY_SHOWN, 0.20);
        for (size_t i = 0; i < e->precision[p].n_models; i++) {
            const fit_eager_sum *m = &e->precision[p].models[i];
            SPA_TRY(fidelity_add(f, "ms", m->measured_ms, m->predicted_ms, err, "%s %s", m->model,
                                 e->precision[p].name));
        }
        SPA_TRY(fidelity_close(f, err));
    }
    fidelity_open(f, "PyTorch eager, 15 W sums: median", "MAXN", "15 W by clocks", FIDELITY_MEDIAN,
                  0.20);
    for (size_t p = 0; p < EAGER_PRECISIONS; p++)
        for (size_t i = 0; i < e->precision[p].n_models; i++) {
            const fit_eager_sum *m = &e->precision[p].models[i];
            SPA_TRY(fidelity_add(f, "ms", m->measured_ms, m->predicted_ms, err, "%s %s", m->model,
                                 e->precision[p].name));
        }
    SPA_TRY(fidelity_close(f, err));
    return judge_again(f, "PyTorch eager, 15 W sums: each", FIDELITY_EACH, 0.20, err);
}

/* ---- ncnn ------------------------------------------------------------------------------------ */

static spa_status ncnn(fidelity *f, const fit_ncnn *n, spa_error *err)
{
    fidelity_open(f, "ncnn CPU, 4-12 threads: median", "1 and 2 threads", "4, 8, 12 threads",
                  FIDELITY_MEDIAN, 0.15);
    for (size_t i = 0; i < n->n_nets; i++)
        for (size_t j = 2; j < FIT_NCNN_THREADS; j++)
            SPA_TRY(fidelity_add(f, "ms", n->cpu_ms[i][j], n->cpu_model_ms[i][j], err,
                                 "%s %d threads", n->nets[i], (int)n->threads[j]));
    SPA_TRY(fidelity_close(f, err));
    SPA_TRY(judge_again(f, "ncnn CPU, 4-12 threads: each", FIDELITY_EACH, 0.15, err));
    fidelity_open(f, "ncnn CPU, 1 thread (a fit)", "1 and 2 threads", "the same", FIDELITY_SHOWN,
                  0.15);
    for (size_t i = 0; i < n->n_nets; i++)
        SPA_TRY(fidelity_add(f, "ms", n->cpu_ms[i][0], n->cpu_model_ms[i][0], err, "%s 1 thread",
                             n->nets[i]));
    SPA_TRY(fidelity_close(f, err));
    fidelity_open(f, "ncnn GPU, Vulkan (a fit)", "all networks", "the same", FIDELITY_SHOWN, 0.15);
    for (size_t i = 0; i < n->n_nets; i++)
        SPA_TRY(
            fidelity_add(f, "ms", n->gpu_ms[i], n->gpu_model_ms[i], err, "%s Vulkan", n->nets[i]));
    return fidelity_close(f, err);
}

/* ---- all ------------------------------------------------------------------------------------- */

static spa_status run_cases(fidelity *f, const fit_orin *orin, spa_error *err)
{
    split_run *run = NULL;
    SPA_TRY(spa_alloc(&run, 1, sizeof *run, err));
    spa_status status = simulate_all(&orin->split, run, err);
    if (status == SPA_OK) status = one_worker(f, &orin->split, run, err);
    if (status == SPA_OK) status = n_workers(f, &orin->split, run, err);
    if (status == SPA_OK) status = eager(f, &orin->eager, err);
    if (status == SPA_OK) status = ncnn(f, &orin->ncnn, err);
    free(run);
    return status;
}

spa_status fidelity_run(fidelity *f, const char *folder, spa_error *err)
{
    fit_orin *orin = NULL;
    memset(f, 0, sizeof *f);
    spa_arena_init(&f->arena);
    SPA_TRY(fit_orin_new(&orin, folder, err));
    spa_status status = run_cases(f, orin, err);
    fit_orin_free(orin);
    if (status != SPA_OK) fidelity_fini(f);
    return status;
}

void fidelity_fini(fidelity *f)
{
    free(f->points);
    spa_arena_fini(&f->arena);
    memset(f, 0, sizeof *f);
}
