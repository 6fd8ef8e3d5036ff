/* Claims whose quantity is more than a ratio of two rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/claim_rows.h"

#define HEAVY_MACS 1e8 /* the paper's cut */

static void add_model(spa_finding *f, const char *model, double value)
{
    if (!isfinite(value) || f->n_models == SPA_FINDING_MODELS) return;
    f->models[f->n_models++] = (spa_estimate){value, NAN, NAN, model};
}

static void pool(spa_finding *f, bool geometric)
{
    if (f->n_models == 0) return;
    f->pooled[0] = claim_mean(f->models, f->n_models, geometric);
    f->pooled[0].where = "the nominal assumptions";
    f->n_pooled = 1;
}

static void is_missing(spa_finding *f, const char *what)
{
    snprintf(f->missing, sizeof f->missing, "experiment '%s' has no %s on %s", f->claim->experiment,
             what, f->claim->device);
}

/* ---------------------------------------------------------------- 48 ms */
#define PAPER_SAC_MS 48

/* The same of the engine at both ends of what nobody measured of it. */
static void add_ends(const spa_evidence *e, spa_finding *f, const spa_record *engine)
{
    static const char *const ends[] = {"low", "high"};
    static const char *const names[] = {"baselines at their fastest", "baselines at their slowest"};
    claim_slice slice = {engine->model, engine->device, engine->mode};
    claim_place place = {f->claim->experiment, "", NULL};
    for (int i = 0; i < 2 && *engine->range; i++) {
        claim_point point = claim_nominal;
        point.range = ends[i];
        const spa_record *r = claim_pick(e, &place, engine->name, &slice, &point);
        double ms = claim_value(r, "latency_mean_ms").value;
        if (isfinite(ms))
            f->pooled[f->n_pooled++] = (spa_estimate){PAPER_SAC_MS / ms, NAN, NAN, names[i]};
    }
}

spa_status claim_own_engine_floor(const spa_evidence *e, spa_finding *f, spa_error *err)
{
    claim_slice slices[SPA_FINDING_MODELS];
    claim_place place = {f->claim->experiment, "", NULL};
    const spa_record *best = NULL;
    (void)err;
    size_t n = claim_slices(e, f->claim, slices);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(slices[i].model, "mobilenet_v2") != 0) continue;
        best = claim_pick(e, &place, "tensorrt|tvm", &slices[i], &claim_nominal);
        if (best && !best->skipped) break;
        best = NULL;
        for (size_t k = 0; k < e->n_records; k++) {
            const spa_record *r = &e->records[k];
            const spa_record *s = claim_pick(e, &place, r->name, &slices[i], &claim_nominal);
            if (s && (!best || claim_value(s, "latency_mean_ms").value <
                                   claim_value(best, "latency_mean_ms").value))
                best = s;
        }
    }
    double ms = claim_value(best, "latency_mean_ms").value;
    if (!isfinite(ms)) {
        is_missing(f, "row of mobilenet_v2");
        return SPA_OK;
    }
    claim_used(f, best);
    snprintf(f->notes, sizeof f->notes, "%.60s: %.3g ms", best->name, ms);
    add_model(f, "mobilenet_v2", PAPER_SAC_MS / ms);
    pool(f, true);
    add_ends(e, f, best);
    return SPA_OK;
}

/* ---------------------------------------------------------------- rho */
/* Largest change of one policy's latency over the sweep, percent; NaN = it has fewer than two. */
static double change_of(const spa_evidence *e, const spa_claim *c, const spa_record *of)
{
    double low = INFINITY, high = -INFINITY;
    size_t n = 0;
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *r = &e->records[i];
        if (strcmp(r->experiment, c->experiment) != 0 || strcmp(r->device, c->device) != 0 ||
            strcmp(r->model, of->model) != 0 || strcmp(r->name, of->name) != 0 || *r->ablate)
            continue;
        double ms = claim_value(r, "latency_mean_ms").value;
        if (!isfinite(ms)) continue;
        low = fmin(low, ms);
        high = fmax(high, ms);
        n++;
    }
    return n < 2 ? NAN : 100 * (high / low - 1);
}

spa_status claim_own_rho_inert(const spa_evidence *e, spa_finding *f, spa_error *err)
{
    double worst = NAN;
    const char *seen = "";
    (void)err;
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *r = &e->records[i];
        bool single = strcmp(r->name, "cpu-only") == 0 || strcmp(r->name, "gpu-only") == 0;
        if (strcmp(r->experiment, f->claim->experiment) != 0 || !single ||
            strcmp(r->device, f->claim->device) != 0)
            continue;
        double change = change_of(e, f->claim, r);
        if (!isfinite(change)) continue;
        claim_used(f, r);
        if (strcmp(seen, r->model) != 0) {
            seen = r->model;
            add_model(f, r->model, change);
        } else if (f->n_models) {
            spa_estimate *last = &f->models[f->n_models - 1];
            last->value = fmax(last->value, change);
        }
        if (!(worst >= change)) worst = change;
    }
    if (!isfinite(worst)) {
        is_missing(f, "sweep of cpu-only or gpu-only");
        return SPA_OK;
    }
    f->pooled[0] = (spa_estimate){worst, NAN, NAN, "the nominal assumptions"};
    f->n_pooled = 1;
    return SPA_OK;
}

/* ---------------------------------------------------------------- two processors */
static bool is_single(const char *name)
{
    return strcmp(name, "cpu-only") == 0 || strcmp(name, "gpu-only") == 0;
}

/* Fastest single processor over fastest of all that ran on the same stack. */
static double gain_of(const spa_evidence *e, const spa_claim *c, const claim_slice *slice,
                      spa_finding *f)
{
    double single = INFINITY, best = INFINITY;
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *r = &e->records[i];
        if (strcmp(r->experiment, c->experiment) != 0 || strcmp(r->model, slice->model) != 0 ||
            strcmp(r->device, slice->device) != 0 || strcmp(r->mode, slice->mode) != 0 ||
            r->is_baseline || r->batch != 1 || !spa_record_is_plain(r))
            continue;
        double ms = claim_value(r, "latency_mean_ms").value;
        if (!isfinite(ms)) continue;
        claim_used(f, r);
        best = fmin(best, ms);
        if (is_single(r->name)) single = fmin(single, ms);
    }
    return isfinite(single) ? single / best : NAN;
}

spa_status claim_own_hybrid_gain(const spa_evidence *e, spa_finding *f, spa_error *err)
{
    claim_slice slices[SPA_FINDING_MODELS];
    (void)err;
    size_t n = claim_slices(e, f->claim, slices);
    for (size_t i = 0; i < n; i++)
        add_model(f, slices[i].model, gain_of(e, f->claim, &slices[i], f));
    if (f->n_models == 0) {
        is_missing(f, "row of cpu-only or gpu-only");
        return SPA_OK;
    }
    spa_estimate largest = f->models[0]; /* "at most" is said of every model */
    for (size_t i = 1; i < f->n_models; i++)
        if (f->models[i].value > largest.value) largest = f->models[i];
    largest.where = "the nominal assumptions";
    f->pooled[0] = largest;
    f->n_pooled = 1;
    return SPA_OK;
}

/* ---------------------------------------------------------------- quadrants */
/* Percent of the operators on one side of the cut that are where the paper wants them, in the
 * placement of the fastest policy whose operators are stored. */
static spa_status placed(const spa_evidence *e, spa_finding *f, bool heavy)
{
    claim_slice slices[SPA_FINDING_MODELS];
    size_t n = claim_slices(e, f->claim, slices);
    for (size_t i = 0; i < n; i++) {
        const spa_record *best = NULL;
        for (size_t k = 0; k < e->n_records; k++) {
            const spa_record *r = &e->records[k];
            if (strcmp(r->experiment, f->claim->experiment) != 0 || r->n_operators == 0 ||
                strcmp(r->model, slices[i].model) != 0 ||
                strcmp(r->device, slices[i].device) != 0 || strcmp(r->mode, slices[i].mode) != 0)
                continue;
            if (!best || claim_value(r, "latency_mean_ms").value <
                             claim_value(best, "latency_mean_ms").value)
                best = r;
        }
        size_t all = 0;
        double right = 0;
        for (size_t k = 0; best && k < best->n_operators; k++) {
            const spa_operator_row *o = &best->operators[k];
            if (!(o->macs > 0) || (o->macs >= HEAVY_MACS) != heavy) continue;
            all++;
            right += heavy ? o->accelerated : 1 - o->accelerated;
        }
        if (all == 0) continue;
        claim_used(f, best);
        snprintf(f->notes, sizeof f->notes, "placed by %.60s%s", best->name,
                 n > 1 ? ", or what is fastest of that model" : "");
        add_model(f, slices[i].model, 100 * right / (double)all);
    }
    if (f->n_models == 0) is_missing(f, "operators with a placement");
    pool(f, false);
    return SPA_OK;
}

spa_status claim_own_heavy_placed(const spa_evidence *e, spa_finding *f, spa_error *err)
{
    (void)err;
    return placed(e, f, true);
}

spa_status claim_own_light_placed(const spa_evidence *e, spa_finding *f, spa_error *err)
{
    (void)err;
    return placed(e, f, false);
}
