#include "experiments/figure_common.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const spa_record *figure_next(const spa_evidence *e, const spa_study_figure *figure, size_t *at)
{
    while (*at < e->n_records) {
        const spa_record *r = &e->records[(*at)++];
        if (strcmp(r->experiment, figure->experiment) == 0) return r;
    }
    return NULL;
}

/* ---------------------------------------------------------------- names of panels */
static void text_of(const spa_record *r, figure_part part, char text[FIGURE_TEXT])
{
    switch (part) {
    case FIGURE_MODEL:
        snprintf(text, FIGURE_TEXT, "%.80s", r->model);
        break;
    case FIGURE_DEVICE:
        snprintf(text, FIGURE_TEXT, "%.80s@%.40s", r->device, r->mode);
        break;
    case FIGURE_STACK:
        snprintf(text, FIGURE_TEXT, "%.80s", r->stack);
        break;
    case FIGURE_DTYPE:
        snprintf(text, FIGURE_TEXT, "%.40s", r->dtype);
        break;
    case FIGURE_BATCH:
        snprintf(text, FIGURE_TEXT, "batch %" PRId64, r->batch);
        break;
    case FIGURE_SCENARIO:
        snprintf(text, FIGURE_TEXT, "%.80s", r->scenario);
        break;
    case FIGURE_BATCHER:
        snprintf(text, FIGURE_TEXT, "%.80s", *r->batcher ? r->batcher : "no batcher");
        break;
    case FIGURE_ABLATE:
        snprintf(text, FIGURE_TEXT, "%s%.80s", *r->ablate ? "without " : "", r->ablate);
        break;
    }
}

/* Does this part differ between rows of the same device? (Each device has a stack of its own.) A
 * baseline brings its stack and type: they tell baselines apart, not panels. */
static bool differs(const spa_evidence *e, const spa_study_figure *figure, figure_part part)
{
    char first[FIGURE_TEXT], text[FIGURE_TEXT];
    bool own = part == FIGURE_STACK || part == FIGURE_DTYPE;
    const spa_record *r, *head = NULL;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        if (own && r->is_baseline) continue;
        bool other = !head || (part == FIGURE_STACK && (strcmp(head->device, r->device) != 0 ||
                                                        strcmp(head->mode, r->mode) != 0));
        text_of(r, part, text);
        if (other) {
            head = r;
            strcpy(first, text);
        } else if (strcmp(first, text) != 0) {
            return true;
        }
    }
    return false;
}

const char *figure_panel(const spa_evidence *e, const spa_study_figure *figure, const spa_record *r,
                         unsigned without, char text[FIGURE_TEXT])
{
    char part[FIGURE_TEXT];
    size_t used = 0;
    *text = '\0';
    for (unsigned bit = FIGURE_MODEL; bit <= FIGURE_ABLATE; bit <<= 1) {
        if (without & bit) continue;
        if (bit > FIGURE_DEVICE && !differs(e, figure, (figure_part)bit)) continue;
        text_of(r, (figure_part)bit, part);
        if (!*part) continue;
        int n = snprintf(text + used, FIGURE_TEXT - used, "%s%s", used ? ", " : "", part);
        used += n > 0 ? (size_t)n : 0;
        if (used >= FIGURE_TEXT) break;
    }
    return text;
}

size_t figure_columns(const spa_evidence *e, const spa_study_figure *figure)
{
    const char *seen[6];
    size_t n = 0;
    const spa_record *r;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        size_t i = 0;
        while (i < n && strcmp(seen[i], r->model) != 0) i++;
        if (i == n && n == 5) return 0;
        if (i == n) seen[n++] = r->model;
    }
    return n;
}

/* ---------------------------------------------------------------- values */
spa_plot_point figure_point(const spa_record *r, const char *metric, double scale)
{
    spa_plot_point point = {.row = r->name, .x = NAN, .y = NAN, .low = NAN, .high = NAN};
    if (r->skipped) return point;
    point.y = spa_record_get(r, metric) * scale;
    double ci = NAN;
    if (strcmp(metric, "latency_mean_ms") == 0) ci = spa_record_get(r, "latency_ci95_ms");
    if (strcmp(metric, "energy_mj") == 0) ci = spa_record_get(r, "energy_ci95_mj");
    if (strcmp(metric, "throughput_ips") == 0) ci = spa_record_get(r, "throughput_ci95_ips");
    if (isfinite(ci)) {
        point.low = point.y - ci * scale;
        point.high = point.y + ci * scale;
    }
    return point;
}

const spa_record *figure_sibling(const spa_evidence *e, const spa_record *r, const char *name)
{
    const spa_record *found = NULL;
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *s = &e->records[i];
        if (strcmp(s->name, name) != 0 || strcmp(s->experiment, r->experiment) != 0 ||
            strcmp(s->model, r->model) != 0 || strcmp(s->device, r->device) != 0 ||
            strcmp(s->mode, r->mode) != 0 || s->batch != r->batch ||
            strcmp(s->scenario, r->scenario) != 0 || strcmp(s->ablate, r->ablate) != 0 ||
            strcmp(s->batcher, r->batcher) != 0 ||
            (!s->is_baseline && !r->is_baseline && strcmp(s->stack, r->stack) != 0) ||
            memcmp(s->scales, r->scales, sizeof s->scales) != 0)
            continue;
        /* The same end of a baseline's range; one without a range goes with all. */
        if (*s->range && *r->range && strcmp(s->range, r->range) != 0) continue;
        if (!s->skipped || !found) found = s;
    }
    return found;
}

const char *figure_reference(const spa_evidence *e, const spa_study_figure *figure)
{
    const spa_progress_row *p = spa_evidence_progress(e, figure->experiment);
    return p && *p->reference ? p->reference : "gpu-only";
}

/* ---------------------------------------------------------------- captions */
enum { MOST_VALUES = 6 };

/* "; WHAT a, b, c" of the values that occur. */
static void put_values(const spa_evidence *e, const spa_study_figure *figure, const char *before,
                       void (*value)(const spa_record *r, char text[FIGURE_TEXT]), spa_plot *plot)
{
    char seen[MOST_VALUES][FIGURE_TEXT], text[FIGURE_TEXT];
    size_t n = 0, more = 0;
    const spa_record *r;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        size_t i = 0;
        value(r, text);
        while (i < n && strcmp(seen[i], text) != 0) i++;
        if (i < n || !*text) continue;
        if (n == MOST_VALUES) {
            more++;
        } else {
            strcpy(seen[n++], text);
        }
    }
    for (size_t i = 0; i < n; i++)
        spa_string_append(&plot->caption, "%s%s", i ? " / " : before, seen[i]);
    if (more) spa_string_append(&plot->caption, " and others");
}

static void device_value(const spa_record *r, char text[FIGURE_TEXT])
{
    text_of(r, FIGURE_DEVICE, text);
}

static void stack_value(const spa_record *r, char text[FIGURE_TEXT])
{
    text_of(r, FIGURE_STACK, text);
}

static void origin_value(const spa_record *r, char text[FIGURE_TEXT])
{
    snprintf(text, FIGURE_TEXT, "%.200s", r->skipped ? "" : r->origin);
}

/* Some stacks compute in one type whatever the graph says. */
static void dtype_value(const spa_record *r, char text[FIGURE_TEXT])
{
    double half = spa_record_get(r, "computes_fp16");
    const char *type = half == 1 ? "fp16" : "fp32";
    if (isnan(half) || strcmp(type, r->dtype) == 0) {
        text_of(r, FIGURE_DTYPE, text);
    } else {
        snprintf(text, FIGURE_TEXT, "%.40s (computed in %s)", r->dtype, type);
    }
}

static void batch_value(const spa_record *r, char text[FIGURE_TEXT])
{
    snprintf(text, FIGURE_TEXT, "%" PRId64, r->batch);
}

static void scenario_value(const spa_record *r, char text[FIGURE_TEXT])
{
    text_of(r, FIGURE_SCENARIO, text);
}

static void put_imprecise(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    size_t n = 0;
    const spa_record *r;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;)
        n += !r->skipped && spa_record_get(r, "precise") == 0;
    if (n)
        spa_string_append(&plot->caption, " %zu row%s less precise than asked for.", n,
                          n == 1 ? "" : "s");
}

static void put_status(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    /* An experiment file may bring together what another experiment stored: validation. */
    const spa_progress_row *p = spa_evidence_progress(e, figure->name);
    if (!p) p = spa_evidence_progress(e, figure->experiment);
    if (!p) return;
    if (p->skipped)
        spa_string_append(&plot->caption, " %" PRId64 " of %" PRId64 " rows could not be run.",
                          p->skipped, p->done);
    if (p->quick) spa_string_append(&plot->caption, " Quick run: fewer models and replications.");
    if (p->several_versions)
        spa_string_append(&plot->caption, " Rows of several versions of the program.");
    if (!p->is_finished || (p->expected >= 0 && p->done < p->expected))
        spa_string_append(&plot->caption, " UNFINISHED: %" PRId64 " of %" PRId64 " rows.", p->done,
                          p->expected);
}

void figure_caption(const spa_evidence *e, const spa_study_figure *figure, spa_plot *plot)
{
    int64_t least = INT64_MAX, most = 0;
    const spa_record *r;
    for (size_t at = 0; (r = figure_next(e, figure, &at)) != NULL;) {
        double n = spa_record_get(r, "replications");
        int64_t reps = isfinite(n) ? (int64_t)n : r->reps;
        if (r->skipped) continue;
        if (reps < least) least = reps;
        if (reps > most) most = reps;
    }
    put_values(e, figure, "", device_value, plot);
    put_values(e, figure, "; stack ", stack_value, plot);
    put_values(e, figure, "; times ", origin_value, plot);
    put_values(e, figure, "; ", dtype_value, plot);
    put_values(e, figure, "; batch ", batch_value, plot);
    put_values(e, figure, "; scenario ", scenario_value, plot);
    if (most > 0 && least == most)
        spa_string_append(&plot->caption, "; %" PRId64 " replication%s", most,
                          most == 1 ? "" : "s");
    if (most > least)
        spa_string_append(&plot->caption, "; %" PRId64 " to %" PRId64 " replications", least, most);
    spa_string_append(&plot->caption, ".");
    put_imprecise(e, figure, plot);
    put_status(e, figure, plot);
}
