/* From a claim and the rows of the database to a finding. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/claim_rows.h"

static const spa_estimate unknown = {NAN, NAN, NAN, NULL};

/* The pair of a slice at a point, and the claim's quantity of it. */
typedef struct measured {
    const spa_record *subject, *other;
    spa_estimate value;
} measured;

static spa_estimate quantity_of(const spa_claim *c, const spa_record *subject,
                                const spa_record *other)
{
    if (c->quantity == SPA_VALUE) {
        spa_estimate mine = claim_value(subject, c->metric);
        double scale = c->scale != 0 ? c->scale : 1;
        return (spa_estimate){mine.value * scale, mine.low * scale, mine.high * scale, NULL};
    }
    if (c->quantity == SPA_RATIO) return claim_row_ratio(other, subject, c->metric);
    spa_estimate r = claim_row_ratio(subject, other, c->metric);
    return (spa_estimate){100 * (r.value - 1), 100 * (r.low - 1), 100 * (r.high - 1), NULL};
}

static measured measure(const spa_evidence *e, const spa_claim *c, const char *other,
                        const claim_slice *slice, const claim_point *point)
{
    const char *off = c->ablate ? c->ablate : "";
    claim_place mine = {c->experiment, off, c->batcher};
    claim_place theirs = {c->experiment, c->ablate_other ? c->ablate_other : off, NULL};
    measured m = {.value = unknown};
    m.subject = claim_pick(e, &mine, c->subject, slice, point);
    if (other) m.other = claim_pick(e, &theirs, other, slice, point);
    m.value = quantity_of(c, m.subject, m.other);
    return m;
}

/* The same pair in a sweep, where both rows are of one experiment. */
static measured measure_scaled(const spa_evidence *e, const spa_claim *c, const measured *nominal,
                               const claim_point *point)
{
    measured m = {.value = unknown};
    if (!nominal->subject || (c->quantity != SPA_VALUE && !nominal->other)) return m;
    for (size_t i = 0; i < e->n_records && !isfinite(m.value.value); i++) {
        m.subject = &e->records[i];
        if (!claim_is_twin(m.subject, nominal->subject, point)) continue;
        m.other = NULL;
        for (size_t k = 0; nominal->other && k < e->n_records && !m.other; k++)
            if (strcmp(e->records[k].experiment, m.subject->experiment) == 0 &&
                claim_is_twin(&e->records[k], nominal->other, point))
                m.other = &e->records[k];
        m.value = quantity_of(c, m.subject, m.other);
    }
    return m;
}

static bool is_scaled(const claim_point *point)
{
    for (int k = 0; k < SPA_SCALE_COUNT; k++)
        if (point->scales[k] != 1) return true;
    return false;
}

/* Over the slices at one point; *n_known of them have a value. `covers` says which, or, when it is
 * `given`, which may count. */
static spa_estimate pool_slices(const spa_evidence *e, const spa_claim *c, const char *other,
                                const claim_slice *slices, size_t n, const claim_point *point,
                                bool covers[SPA_FINDING_MODELS], bool given, size_t *n_known)
{
    spa_estimate values[SPA_FINDING_MODELS], largest = unknown;
    *n_known = 0;
    for (size_t i = 0; i < n; i++) {
        values[i] = unknown;
        if (given && !covers[i]) continue;
        if (is_scaled(point)) {
            measured nominal = measure(e, c, other, &slices[i], &claim_nominal);
            values[i] = measure_scaled(e, c, &nominal, point).value;
        } else {
            values[i] = measure(e, c, other, &slices[i], point).value;
        }
        covers[i] = isfinite(values[i].value);
        if (!covers[i]) continue;
        (*n_known)++;
        if (!(largest.value >= values[i].value)) largest = values[i];
    }
    if (c->pool == SPA_LARGEST) return largest;
    return claim_mean(values, n, c->quantity == SPA_RATIO);
}

/* ---------------------------------------------------------------- why there is nothing */
static void explain(const spa_evidence *e, const spa_claim *c, const claim_slice *slices, size_t n,
                    const claim_point *nominal, spa_finding *f)
{
    if (n == 0) {
        snprintf(f->missing, sizeof f->missing, "experiment '%s' has no rows%s%s%s%s",
                 c->experiment, c->device ? " on " : "", c->device ? c->device : "",
                 c->model ? " of " : "", c->model ? c->model : "");
        return;
    }
    measured m = measure(e, c, c->other, &slices[0], nominal);
    const spa_record *r = m.subject;
    const char *names = c->subject;
    if (r && !r->skipped && c->other && c->quantity != SPA_VALUE) {
        r = m.other;
        names = c->other;
    }
    if (!r) {
        snprintf(f->missing, sizeof f->missing, "no row of %.*s in experiment '%s'",
                 (int)strcspn(names, "|"), names, c->experiment);
    } else if (r->skipped) {
        snprintf(f->missing, sizeof f->missing, "%.60s could not be run: %.250s", r->name,
                 r->skipped);
    } else if (strcmp(c->metric, "batch_overhead") == 0 && spa_record_get(r, "batch_mean") <= 1) {
        snprintf(f->missing, sizeof f->missing,
                 "batcher %.80s made no batch: every request ran alone", r->batcher);
    } else {
        snprintf(f->missing, sizeof f->missing, "metric %s is not known of %.80s", c->metric,
                 r->name);
    }
}

/* ---------------------------------------------------------------- what must be said beside it */
static void note(spa_finding *f, const char *text)
{
    size_t used = strlen(f->notes);
    if (strstr(f->notes, text)) return;
    snprintf(f->notes + used, sizeof f->notes - used, "%s%s", used ? "; " : "", text);
}

static void note_stand_in(spa_finding *f, const char *names, const spa_record *r)
{
    char text[160];
    size_t first = strcspn(names, "|,");
    if (strlen(r->name) == first && strncmp(names, r->name, first) == 0) return;
    if (strchr(names, ',')) return;
    snprintf(text, sizeof text, "%.60s stands in for %.*s", r->name, (int)(first < 60 ? first : 60),
             names);
    note(f, text);
}

static void note_progress(const spa_evidence *e, spa_finding *f)
{
    char text[160];
    const spa_progress_row *p = spa_evidence_progress(e, f->claim->experiment);
    if (!p) return;
    if (!p->is_finished || (p->expected >= 0 && p->done < p->expected)) {
        snprintf(text, sizeof text,
                 "experiment %.60s is unfinished (%" PRId64 " of %" PRId64 " rows)", p->experiment,
                 p->done, p->expected);
        note(f, text);
    }
    if (p->quick) note(f, "quick run");
    if (p->several_versions) note(f, "rows of several versions of the program");
}

/* Times of unlike arithmetic: a difference is not one of scheduling alone. */
static void note_types(spa_finding *f, const spa_record *subject, const spa_record *other)
{
    char text[160];
    double a = spa_record_get(subject, "computes_fp16"), b = spa_record_get(other, "computes_fp16");
    if (isnan(a) || isnan(b) || a == b) return;
    snprintf(text, sizeof text, "%.60s computes in %s, %.60s in %s", subject->name,
             a == 1 ? "fp16" : "fp32", other->name, b == 1 ? "fp16" : "fp32");
    note(f, text);
}

static void note_used(spa_finding *f, const spa_claim *c, const char *other, const measured *m)
{
    if (!isfinite(m->value.value)) return;
    claim_used(f, m->subject);
    note_stand_in(f, c->subject, m->subject);
    if (!m->other) return;
    claim_used(f, m->other);
    note_stand_in(f, other, m->other);
    note_types(f, m->subject, m->other);
}

/* ---------------------------------------------------------------- one or several others */
static void collect_models(const spa_evidence *e, const spa_claim *c, const char *other,
                           const claim_slice *slices, size_t n, const claim_point *nominal,
                           spa_finding *f)
{
    for (size_t i = 0; i < n && f->n_models < SPA_FINDING_MODELS; i++) {
        measured m = measure(e, c, other, &slices[i], nominal);
        if (!isfinite(m.value.value)) continue;
        m.value.where = slices[i].model;
        f->models[f->n_models++] = m.value;
        note_used(f, c, other, &m);
    }
}

static void add_point(spa_finding *f, spa_estimate v, const claim_point *point, size_t n_models)
{
    char text[64];
    if (f->n_pooled == SPA_FINDING_POINTS) return;
    claim_point_text(point, text);
    if (n_models) {
        snprintf(f->names[f->n_pooled], sizeof f->names[0], "%.30s (%zu model%s)", text, n_models,
                 n_models == 1 ? "" : "s");
    } else {
        snprintf(f->names[f->n_pooled], sizeof f->names[0], "%s", text);
    }
    v.where = f->names[f->n_pooled];
    f->pooled[f->n_pooled++] = v;
}

static void add_named(spa_finding *f, spa_estimate v, const char *name)
{
    if (f->n_pooled == SPA_FINDING_POINTS) return;
    snprintf(f->names[f->n_pooled], sizeof f->names[0], "%s", name);
    v.where = f->names[f->n_pooled];
    f->pooled[f->n_pooled++] = v;
}

static spa_estimate times(spa_estimate v, double factor)
{
    return (spa_estimate){v.value * factor, v.low * factor, v.high * factor, NULL};
}

/* Other readings of the claim, which the paper leaves open. */
static void collect_readings(const spa_evidence *e, const spa_claim *c, const claim_slice *slices,
                             size_t n, size_t n_nominal, spa_finding *f)
{
    size_t known;
    bool covers[SPA_FINDING_MODELS] = {false};
    char text[64];
    if (c->spread > 1 && n_nominal) {
        snprintf(text, sizeof text, "a machine %g x as fast", c->spread);
        add_named(f, times(f->nominal, 1 / c->spread), text);
        snprintf(text, sizeof text, "a machine %g x as slow", c->spread);
        add_named(f, times(f->nominal, c->spread), text);
    }
    if (!c->other_same || !n_nominal) return;
    spa_estimate v =
        pool_slices(e, c, c->other_same, slices, n, &claim_nominal, covers, false, &known);
    snprintf(text, sizeof text, "the same kernels for both (%.20s)", c->other_same);
    if (known >= n_nominal) add_named(f, v, text);
}

/* Every assumption under which all of the nominal models are there. One that covers some of them
 * counts only when it changes the answer for just these: other models are no other assumption. */
static void collect_points(const spa_evidence *e, const spa_claim *c, const char *other,
                           const claim_slice *slices, size_t n, spa_finding *f)
{
    claim_point points[SPA_FINDING_POINTS];
    size_t n_points = claim_points(e, c->subject, other, points), n_nominal = 0, known;
    for (size_t i = 0; i < n_points; i++) {
        bool covers[SPA_FINDING_MODELS] = {false};
        spa_estimate v = pool_slices(e, c, other, slices, n, &points[i], covers, false, &known);
        if (known == 0) continue;
        if (i == 0) {
            n_nominal = known;
            f->nominal = v;
        }
        if (known >= n_nominal) {
            add_point(f, v, &points[i], 0);
            continue;
        }
        if (c->quantity == SPA_VALUE) continue; /* the paper's mean is over all models */
        size_t n_some = known;
        spa_estimate same = pool_slices(e, c, other, slices, n, &points[0], covers, true, &known);
        if (spa_rule_answer(&c->rule, &same) != spa_rule_answer(&c->rule, &v))
            add_point(f, v, &points[i], n_some);
    }
    collect_readings(e, c, slices, n, n_nominal, f);
    collect_models(e, c, other, slices, n, &points[0], f);
    if (f->n_pooled == 0) explain(e, c, slices, n, &points[0], f);
}

/* Of several others the one with the largest, or the smallest, quantity at a point. *n_known counts
 * the pairs of another and a model that have one. */
static spa_estimate extreme_of(const spa_evidence *e, const spa_claim *c, const claim_slice *slices,
                               size_t n, const claim_point *point, char best[96], size_t *n_known)
{
    spa_estimate extreme = unknown;
    *best = '\0';
    *n_known = 0;
    for (const char *at = c->other; *at;) {
        char name[96];
        size_t length = strcspn(at, ","), known;
        snprintf(name, sizeof name, "%.*s", (int)length, at);
        at += length + (at[length] != '\0');
        bool covers[SPA_FINDING_MODELS] = {false};
        spa_estimate v = pool_slices(e, c, name, slices, n, point, covers, false, &known);
        *n_known += known;
        bool better =
            c->pool == SPA_LARGEST ? !(extreme.value >= v.value) : !(extreme.value <= v.value);
        if (!isfinite(v.value) || !better) continue;
        extreme = v;
        strcpy(best, name);
    }
    return extreme;
}

/* Which other one decides may change from one assumption to the next: all are asked under each. */
static void collect_others(const spa_evidence *e, const spa_claim *c, const claim_slice *slices,
                           size_t n, spa_finding *f)
{
    char nominal[96], best[96], text[160];
    claim_point points[SPA_FINDING_POINTS];
    size_t n_points = claim_points(e, c->subject, c->other, points), n_nominal = 0, known;
    for (size_t i = 0; i < n_points; i++) {
        spa_estimate v = extreme_of(e, c, slices, n, &points[i], i ? best : nominal, &known);
        if (i == 0) {
            n_nominal = known;
            f->nominal = v;
        }
        if (known == 0 || known < n_nominal) continue; /* fewer rivals are no other assumption */
        add_point(f, v, &points[i], 0);
        if (i == 0 || strcmp(best, nominal) == 0) continue;
        size_t used = strlen(f->names[f->n_pooled - 1]);
        snprintf(f->names[f->n_pooled - 1] + used, sizeof f->names[0] - used, " (%.24s)", best);
    }
    if (n_nominal == 0) {
        explain(e, c, slices, n, &points[0], f);
        return;
    }
    collect_models(e, c, nominal, slices, n, &points[0], f);
    snprintf(text, sizeof text, "decided by %.90s", nominal);
    note(f, text);
}

spa_status spa_claim_judge(const spa_claim *claim, const spa_evidence *evidence,
                           spa_finding *finding, spa_error *err)
{
    claim_slice slices[SPA_FINDING_MODELS];
    *finding = (spa_finding){.claim = claim, .nominal = unknown};
    if (claim->quantity == SPA_NOTHING) {
        snprintf(finding->missing, sizeof finding->missing, "%s", claim->assumes);
    } else if (claim->quantity == SPA_OWN) {
        SPA_TRY(claim->own(evidence, finding, err));
        if (finding->n_pooled) finding->nominal = finding->pooled[0];
    } else {
        size_t n = claim_slices(evidence, claim, slices);
        if (claim->other && strchr(claim->other, ',')) {
            collect_others(evidence, claim, slices, n, finding);
        } else {
            collect_points(evidence, claim, claim->other, slices, n, finding);
        }
    }
    if (claim->experiment) note_progress(evidence, finding);
    /* The largest is one model's: nothing to say of the others. */
    size_t n_models = claim->pool == SPA_LARGEST || claim->model ? 0 : finding->n_models;
    spa_judge(&claim->rule, finding->pooled, finding->n_pooled, finding->models, n_models,
              finding->missing, &finding->judgement);
    return SPA_OK;
}
