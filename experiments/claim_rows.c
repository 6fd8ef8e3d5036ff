#include "experiments/claim_rows.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool claim_has_name(const char *names, const char *name)
{
    size_t n = strlen(name);
    while (*names) {
        size_t length = strcspn(names, "|,");
        if (length == n && strncmp(names, name, n) == 0) return true;
        names += length + (names[length] != '\0');
    }
    return false;
}

void claim_add_text(char text[SPA_FINDING_TEXT], const char *part)
{
    size_t used = strlen(text), n = strlen(part);
    for (const char *at = text; *part && (at = strstr(at, part)) != NULL; at++) {
        bool begins = at == text || at[-1] == ' ', ends = at[n] == '\0' || at[n] == ' ';
        if (begins && ends) return;
    }
    if (*part) snprintf(text + used, SPA_FINDING_TEXT - used, "%s%s", used ? " / " : "", part);
}

void claim_used(spa_finding *finding, const spa_record *r)
{
    char device[SPA_FINDING_TEXT];
    snprintf(device, sizeof device, "%.120s@%.60s", r->device, r->mode);
    claim_add_text(finding->device, device);
    claim_add_text(finding->stack, r->stack);
    claim_add_text(finding->origin, r->origin);
}

/* ---------------------------------------------------------------- which row */
static bool same_scales(const spa_record *r, const claim_point *point)
{
    for (int k = 0; k < SPA_SCALE_COUNT; k++)
        if (r->scales[k] != point->scales[k]) return false;
    return true;
}

static bool is_candidate(const spa_record *r, const claim_place *place, const claim_slice *slice,
                         const claim_point *point)
{
    if (place->experiment && strcmp(r->experiment, place->experiment) != 0) return false;
    if (strcmp(r->model, slice->model) != 0 || strcmp(r->device, slice->device) != 0 ||
        strcmp(r->mode, slice->mode) != 0)
        return false;
    if (strcmp(r->ablate, place->ablate) != 0 || !same_scales(r, point)) return false;
    if (*r->range && strcmp(r->range, point->range) != 0) return false;
    return place->batcher ? strncmp(r->batcher, place->batcher, strlen(place->batcher)) == 0 : true;
}

const claim_point claim_nominal = {.range = "mid", .scales = {1, 1, 1, 1, 1}};

bool claim_is_twin(const spa_record *r, const spa_record *nominal, const claim_point *point)
{
    claim_slice slice = {nominal->model, nominal->device, nominal->mode};
    claim_place place = {NULL, nominal->ablate, *nominal->batcher ? nominal->batcher : NULL};
    return is_candidate(r, &place, &slice, point) && strcmp(r->policy, nominal->policy) == 0 &&
           strcmp(r->stack, nominal->stack) == 0 && strcmp(r->dtype, nominal->dtype) == 0 &&
           r->batch == nominal->batch && strcmp(r->scenario, nominal->scenario) == 0 && !r->skipped;
}

/* Of several that fit: a row that ran, a baseline's, the smallest batch, the newest. */
static bool is_better(const spa_record *r, const spa_record *than)
{
    if (!than) return true;
    if (!r->skipped != !than->skipped) return !r->skipped;
    if (r->is_baseline != than->is_baseline) return r->is_baseline;
    if (r->batch != than->batch) return r->batch < than->batch;
    int c = strcmp(r->scenario, than->scenario);
    if (c) return strcmp(r->scenario, "single") == 0;
    return r->id > than->id;
}

const spa_record *claim_pick(const spa_evidence *e, const claim_place *place, const char *names,
                             const claim_slice *slice, const claim_point *point)
{
    const spa_record *skipped = NULL;
    while (*names) {
        size_t length = strcspn(names, "|");
        const spa_record *best = NULL;
        for (size_t i = 0; i < e->n_records; i++) {
            const spa_record *r = &e->records[i];
            if (strlen(r->name) != length || strncmp(r->name, names, length) != 0) continue;
            if (is_candidate(r, place, slice, point) && is_better(r, best)) best = r;
        }
        if (best && !best->skipped) return best;
        if (best && !skipped) skipped = best;
        names += length + (names[length] != '\0');
    }
    return skipped;
}

size_t claim_slices(const spa_evidence *e, const spa_claim *claim,
                    claim_slice slices[SPA_FINDING_MODELS])
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *r = &e->records[i];
        if (strcmp(r->experiment, claim->experiment) != 0) continue;
        if (claim->model && strcmp(r->model, claim->model) != 0) continue;
        if (claim->device && strcmp(r->device, claim->device) != 0) continue;
        bool seen = false, other_mode = false;
        for (size_t k = 0; k < n; k++) {
            if (strcmp(slices[k].device, r->device) != 0) continue;
            other_mode |= strcmp(slices[k].mode, r->mode) != 0;
            seen |= strcmp(slices[k].model, r->model) == 0;
        }
        if (seen || other_mode || n == SPA_FINDING_MODELS) continue;
        slices[n++] = (claim_slice){.model = r->model, .device = r->device, .mode = r->mode};
    }
    return n;
}

/* ---------------------------------------------------------------- assumptions */
static bool same_point(const claim_point *a, const claim_point *b)
{
    return strcmp(a->range, b->range) == 0 && memcmp(a->scales, b->scales, sizeof a->scales) == 0;
}

/* Nobody measured how far off contention, launches and the like may be: half to twice as much is
 * taken as their range. Sparsity is assumed at its largest, so anything below counts. */
static bool is_in_range(const spa_record *r)
{
    for (int k = 0; k < SPA_SCALE_COUNT; k++)
        if (r->scales[k] > 2 || (r->scales[k] < 0.5 && k != SPA_SCALE_RHO)) return false;
    return true;
}

size_t claim_points(const spa_evidence *e, const char *subject, const char *other,
                    claim_point points[SPA_FINDING_POINTS])
{
    size_t n = 1;
    points[0] = claim_nominal;
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *r = &e->records[i];
        if (!claim_has_name(subject, r->name) && !(other && claim_has_name(other, r->name)))
            continue;
        if (!is_in_range(r)) continue;
        claim_point point = {.range = *r->range ? r->range : "mid"};
        memcpy(point.scales, r->scales, sizeof point.scales);
        bool seen = false;
        for (size_t k = 0; k < n && !seen; k++) seen = same_point(&points[k], &point);
        if (!seen && n < SPA_FINDING_POINTS) points[n++] = point;
    }
    return n;
}

void claim_point_text(const claim_point *point, char text[64])
{
    size_t used = 0;
    *text = '\0';
    for (int k = 0; k < SPA_SCALE_COUNT; k++) {
        if (point->scales[k] == 1 || used >= 50) continue;
        used += (size_t)snprintf(text + used, 64 - used, "%s%s x %g", used ? ", " : "",
                                 spa_scale_name((spa_scale)k), point->scales[k]);
    }
    /* Factors are of times. */
    if (strcmp(point->range, "mid") != 0 && used < 32)
        snprintf(text + used, 64 - used, "%sbaselines at their %s", used ? ", " : "",
                 strcmp(point->range, "low") == 0 ? "fastest" : "slowest");
    if (!*text) snprintf(text, 64, "the nominal assumptions");
}

/* ---------------------------------------------------------------- values */
spa_estimate claim_value(const spa_record *r, const char *metric)
{
    spa_estimate v = {NAN, NAN, NAN, NULL};
    if (!r || r->skipped) return v;
    double ci = NAN;
    if (strcmp(metric, "exposed_transfer_ms") == 0) {
        double moved = spa_record_get(r, "transfer_ms");
        v.value = moved == 0 ? 0 : moved * (1 - spa_record_get(r, "overlap"));
        return v;
    }
    /* Who never makes a batch has no overhead of making batches, rather than none. */
    if (strcmp(metric, "batch_overhead") == 0 && spa_record_get(r, "batch_mean") <= 1) return v;
    v.value = spa_record_get(r, metric);
    if (strcmp(metric, "latency_mean_ms") == 0) ci = spa_record_get(r, "latency_ci95_ms");
    if (strcmp(metric, "energy_mj") == 0) ci = spa_record_get(r, "energy_ci95_mj");
    if (isfinite(ci)) {
        v.low = v.value - ci;
        v.high = v.value + ci;
    }
    return v;
}

/* Half-width over the value; 0 where no interval is known. */
static double relative_error(spa_estimate v)
{
    if (!isfinite(v.low) || !isfinite(v.high) || v.value == 0) return 0;
    return (v.high - v.low) / 2 / fabs(v.value);
}

spa_estimate claim_ratio(spa_estimate a, spa_estimate b)
{
    spa_estimate v = {NAN, NAN, NAN, NULL};
    if (!isfinite(a.value) || !isfinite(b.value) || b.value == 0) return v;
    v.value = a.value / b.value;
    double error = hypot(relative_error(a), relative_error(b));
    if (error > 0) {
        v.low = v.value * (1 - error);
        v.high = v.value * (1 + error);
    }
    return v;
}

static double sample(const spa_record *r, size_t i, bool energy)
{
    return energy ? r->replicates[i].energy_mj : r->replicates[i].latency_ms;
}

/* mean(a) / mean(b) over the replications that both have, with Student's half-width over it; NaN
 * when they are too few. With relative deviations u = a / mean(a) - 1 and v likewise, the ratio's
 * relative error is that of the mean of u - v. Replications that only one of them has are other
 * draws: of arrivals, they may be much more, or less, crowded. */
static spa_estimate paired_ratio(const spa_record *a, const spa_record *b, bool energy)
{
    size_t n = a->n_replicates < b->n_replicates ? a->n_replicates : b->n_replicates;
    double mean_a = 0, mean_b = 0, square = 0;
    if (n < 2 || strcmp(a->experiment, b->experiment) != 0)
        return (spa_estimate){NAN, NAN, NAN, NULL};
    for (size_t i = 0; i < n; i++) {
        mean_a += sample(a, i, energy) / (double)n;
        mean_b += sample(b, i, energy) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double d = sample(a, i, energy) / mean_a - sample(b, i, energy) / mean_b;
        square += d * d;
    }
    double deviation = sqrt(square / (double)(n - 1) / (double)n);
    double error = gsl_cdf_tdist_Pinv(0.975, (double)(n - 1)) * deviation, ratio = mean_a / mean_b;
    return (spa_estimate){ratio, ratio * (1 - error), ratio * (1 + error), NULL};
}

spa_estimate claim_row_ratio(const spa_record *a, const spa_record *b, const char *metric)
{
    spa_estimate v = claim_ratio(claim_value(a, metric), claim_value(b, metric));
    bool energy = strcmp(metric, "energy_mj") == 0;
    if (!isfinite(v.value) || (!energy && strcmp(metric, "latency_mean_ms") != 0)) return v;
    /* One that needed many more replications than the other varies by itself: pairs would leave
     * most of them out, and know less than both means do. */
    spa_estimate paired = paired_ratio(a, b, energy);
    bool wider = isfinite(v.low) && paired.high - paired.low > v.high - v.low;
    return isfinite(paired.value) && !wider ? paired : v;
}

spa_estimate claim_mean(const spa_estimate *estimates, size_t n, bool geometric)
{
    spa_estimate v = {NAN, NAN, NAN, NULL};
    double sum = 0, square = 0;
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        spa_estimate x = estimates[i];
        if (!isfinite(x.value) || (geometric && x.value <= 0)) continue;
        double half = relative_error(x) * (geometric ? 1 : fabs(x.value));
        sum += geometric ? log(x.value) : x.value;
        square += half * half;
        known++;
    }
    if (known == 0) return v;
    v.value = geometric ? exp(sum / (double)known) : sum / (double)known;
    double half = sqrt(square) / (double)known * (geometric ? v.value : 1);
    if (half > 0) {
        v.low = v.value - half;
        v.high = v.value + half;
    }
    return v;
}
