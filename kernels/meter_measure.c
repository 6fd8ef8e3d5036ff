/* Measuring a job: idle first, then repetitions until the meters can tell. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/meter_window.h"

static spa_status check_options(const spa_meter_set *set, const spa_meter_options *o,
                                spa_error *err)
{
    if (set->count == 0) return spa_fail(err, SPA_E_INVALID, "no meter: the set is empty");
    if (!(o->idle_s >= 0 && o->idle_s <= 3600))
        return spa_fail(err, SPA_E_RANGE, "idle time %g s is not within 0 .. 3600", o->idle_s);
    if (!(o->resolution > 0 && o->resolution <= 1))
        return spa_fail(err, SPA_E_RANGE, "resolution %g is not within 0 .. 1, without 0",
                        o->resolution);
    if (!(o->time_limit_s > 0 && o->time_limit_s <= 86400))
        return spa_fail(err, SPA_E_RANGE, "time limit %g s is not within 0 .. 86400, without 0",
                        o->time_limit_s);
    if (o->warmup < 0 || o->min_repetitions < 1)
        return spa_fail(err, SPA_E_RANGE, "%d warm-up jobs, %llu repetitions: at least 0 and 1",
                        (int)o->warmup, (unsigned long long)o->min_repetitions);
    return SPA_OK;
}

/* ---- what the windows say -------------------------------------------------------------------- */
typedef struct measurement {
    const spa_meter_set *set;
    const spa_meter_options *options;
    spa_meter_window *idle, *work; /* idle NULL: not measured */
    uint64_t repetitions;
    int64_t busy_ns; /* in jobs */
} measurement;

/* Leaves idle power and resolution as they are. */
static void unavailable(spa_energy *e, const char *reason)
{
    e->kind = SPA_ENERGY_UNAVAILABLE;
    e->energy_j = e->power_w = e->dynamic_j = e->dynamic_resolution = NAN;
    snprintf(e->reason, sizeof e->reason, "%.255s", reason);
    snprintf(e->dynamic_reason, sizeof e->dynamic_reason, "the job's energy is not known");
}

/* A sum of rails over the jobs, and above idle. */
typedef struct sum {
    double energy_j, error_j;         /* of all jobs */
    double idle_w, idle_error_w;      /* NaN = not measured */
    const char *silent;               /* a counter that has not moved yet, or NULL */
    char fault[256], idle_fault[160]; /* "" = none */
} sum;

static void add_rail(sum *s, const measurement *m, size_t i)
{
    spa_meter_mean work, idle;
    double busy = (double)m->busy_ns * 1e-9;
    spa_meter_mean_of(&m->set->rails[i], &m->work->tracks[i], &work);
    if (!work.valid && s->fault[0] == '\0')
        snprintf(s->fault, sizeof s->fault, "%.255s",
                 m->work->tracks[i].fault[0] != '\0' ? m->work->tracks[i].fault
                                                     : "the meter was not read twice");
    if (m->set->rails[i].kind == SPA_METER_COUNTER && work.energy_j == 0)
        s->silent = m->set->rails[i].name;
    /* Power over all readings, times the time in jobs: what the ends do not share is an error. */
    s->energy_j += work.power_w * busy;
    s->error_j += work.error_j + fabs(work.power_w) * fabs(work.seconds - busy);
    if (m->idle == NULL) {
        snprintf(s->idle_fault, sizeof s->idle_fault, "idle power was not measured");
        s->idle_w = s->idle_error_w = NAN;
        return;
    }
    spa_meter_mean_of(&m->set->rails[i], &m->idle->tracks[i], &idle);
    if (!idle.valid && s->idle_fault[0] == '\0')
        snprintf(s->idle_fault, sizeof s->idle_fault, "idle power: %.140s",
                 m->idle->tracks[i].fault[0] != '\0' ? m->idle->tracks[i].fault
                                                     : "the meter was not read twice");
    s->idle_w += idle.power_w;
    s->idle_error_w += idle.error_j / idle.seconds;
}

static void fill_dynamic(spa_energy *e, const sum *s, const measurement *m)
{
    double busy = (double)m->busy_ns * 1e-9;
    double dynamic_j = s->energy_j - s->idle_w * busy;
    double error_j = s->error_j + s->idle_error_w * busy;
    e->dynamic_j = e->dynamic_resolution = NAN;
    if (s->idle_fault[0] != '\0') {
        memcpy(e->dynamic_reason, s->idle_fault, sizeof e->dynamic_reason);
    } else if (!(dynamic_j > error_j)) {
        snprintf(e->dynamic_reason, sizeof e->dynamic_reason,
                 "%.3g W during jobs and %.3g W idle differ by less than the meter can tell",
                 e->power_w, s->idle_w);
    } else {
        e->dynamic_j = dynamic_j / (double)m->repetitions;
        e->dynamic_resolution = error_j / dynamic_j;
    }
}

static void fill(spa_energy *e, const sum *s, const measurement *m)
{
    double busy = (double)m->busy_ns * 1e-9, asked = m->options->resolution;
    char reason[256];
    e->idle_w = s->idle_fault[0] == '\0' ? s->idle_w : NAN;
    e->resolution = NAN;
    e->reason[0] = e->dynamic_reason[0] = '\0';
    if (s->fault[0] != '\0') {
        unavailable(e, s->fault);
        return;
    }
    if (s->silent != NULL || !(s->energy_j > 0)) {
        snprintf(reason, sizeof reason,
                 "%.64s counted no energy in %.3g s; it does not work, or the jobs are too short",
                 s->silent != NULL ? s->silent : e->rail, busy);
        unavailable(e, reason);
        return;
    }
    e->resolution = s->error_j / s->energy_j;
    if (isinf(e->resolution)) {
        snprintf(reason, sizeof reason, "polled less than %d times in %.3g s; give it more time",
                 SPA_METER_LEAST_SAMPLES, busy);
        unavailable(e, reason);
        return;
    }
    if (!(e->resolution <= asked)) {
        snprintf(reason, sizeof reason,
                 "known to +-%.2g %% after %llu jobs in %.3g s, asked for were %.2g %%; give it "
                 "about %.2g s",
                 100 * e->resolution, (unsigned long long)m->repetitions, busy, 100 * asked,
                 1.1 * busy * e->resolution / asked);
        unavailable(e, reason);
        return;
    }
    e->kind = SPA_ENERGY_MEASURED;
    e->energy_j = s->energy_j / (double)m->repetitions;
    e->power_w = s->energy_j / busy;
    fill_dynamic(e, s, m);
}

/* The rails of the total; false and a reason when there is none. */
static bool sum_total(const measurement *m, sum *s)
{
    size_t n = 0;
    *s = (sum){0};
    for (size_t i = 0; i < m->set->count; i++) {
        if (!m->set->rails[i].in_total) continue;
        add_rail(s, m, i);
        n++;
    }
    if (m->set->total_fault[0] != '\0')
        snprintf(s->fault, sizeof s->fault, "a rail is missing: %.230s", m->set->total_fault);
    else if (n == 0)
        snprintf(s->fault, sizeof s->fault, "no rail measures a total here");
    return s->fault[0] == '\0';
}

static double resolution_of(const sum *s)
{
    return s->silent == NULL && s->energy_j > 0 ? s->error_j / s->energy_j : INFINITY;
}

/* How well the jobs so far are known: the total, else the worst rail that still works; 0 when no
 * rail works any more, so that nobody waits for it. */
static double resolution_now(const measurement *m)
{
    sum s;
    double worst = 0;
    if (sum_total(m, &s)) return resolution_of(&s);
    for (size_t i = 0; i < m->set->count; i++) {
        s = (sum){0};
        add_rail(&s, m, i);
        if (s.fault[0] == '\0') worst = fmax(worst, resolution_of(&s));
    }
    return worst;
}

static void fill_result(spa_energy_result *result, const measurement *m)
{
    sum s;
    size_t used = 0;
    result->repetitions = m->repetitions;
    result->duration_s = (double)m->busy_ns * 1e-9;
    result->n_rails = m->set->count;
    for (size_t i = 0; i < m->set->count; i++) {
        const spa_meter_rail *rail = &m->set->rails[i];
        spa_energy *e = &result->rails[i];
        memcpy(e->rail, rail->name, sizeof e->rail);
        e->in_total = rail->in_total;
        s = (sum){0};
        add_rail(&s, m, i);
        fill(e, &s, m);
        if (rail->in_total && used + 1 < sizeof result->covers) {
            int n = snprintf(result->covers + used, sizeof result->covers - used, "%s%s",
                             used > 0 ? " + " : "", rail->name);
            used += (size_t)n;
        }
    }
    sum_total(m, &s);
    snprintf(result->total.rail, sizeof result->total.rail, "total");
    result->total.in_total = true;
    fill(&result->total, &s, m);
}

/* ---- running --------------------------------------------------------------------------------- */
static int64_t now_ns(const spa_meter_set *set)
{
    return set->time.now_ns(set->time.context);
}

/* Repeats the job. The tracks are looked at rarely: reading the meters costs power and time. */
static spa_status repeat(spa_meter_window *window, measurement *m, spa_meter_job *job,
                         void *context, spa_error *err)
{
    const spa_meter_options *o = m->options;
    int64_t limit_ns = (int64_t)(o->time_limit_s * 1e9), next_ns = 0;
    for (;;) {
        int64_t begin = now_ns(m->set);
        spa_status status = job(context, err);
        m->busy_ns += now_ns(m->set) - begin;
        if (status != SPA_OK) return status;
        m->repetitions++;
        bool late = m->busy_ns >= limit_ns;
        if (m->repetitions < o->min_repetitions && !late) continue;
        if (m->busy_ns < next_ns && !late) continue;
        spa_meter_poll(window, true);
        pthread_mutex_lock(&window->mutex); /* ticks go on */
        double resolution = resolution_now(m);
        pthread_mutex_unlock(&window->mutex);
        if (late || resolution <= o->resolution) return SPA_OK;
        /* Errors hardly grow with time: the relative one falls with it. Look again when it should
         * do, but after a tenth more and before ten times as long. */
        double factor = fmin(10, fmax(1.1, 1.05 * resolution / o->resolution));
        next_ns = (int64_t)fmin((double)m->busy_ns * factor, 1e18);
    }
}

static spa_status measure_idle(spa_meter_window *window, spa_meter_set *set, double seconds,
                               spa_error *err)
{
    SPA_TRY(spa_meter_begin(window, set, true, err));
    set->time.sleep_ns(set->time.context, (int64_t)(seconds * 1e9));
    spa_meter_end(window);
    return SPA_OK;
}

spa_status spa_meter_measure(spa_meter_set *set, const spa_meter_options *options,
                             spa_meter_job *job, void *context, spa_energy_result *result,
                             spa_error *err)
{
    spa_meter_window *windows = NULL; /* idle, work */
    memset(result, 0, sizeof *result);
    result->total.resolution = result->total.idle_w = NAN;
    unavailable(&result->total, "not measured");
    SPA_TRY(check_options(set, options, err));
    SPA_TRY(spa_alloc(&windows, 2, sizeof *windows, err));
    measurement m = {.set = set, .options = options, .work = &windows[1]};
    spa_status status = SPA_OK;
    if (options->idle_s > 0) {
        status = measure_idle(&windows[0], set, options->idle_s, err);
        m.idle = &windows[0];
    }
    for (int32_t i = 0; status == SPA_OK && i < options->warmup; i++) status = job(context, err);
    if (status == SPA_OK) status = spa_meter_begin(&windows[1], set, true, err);
    if (status == SPA_OK) {
        status = repeat(&windows[1], &m, job, context, err);
        spa_meter_end(&windows[1]);
    }
    if (status == SPA_OK) {
        result->idle_s = options->idle_s;
        fill_result(result, &m);
    }
    free(windows);
    return status;
}

void spa_energy_print(const spa_energy_result *result, spa_string *out)
{
    const spa_energy *e = &result->total;
    if (e->kind == SPA_ENERGY_UNAVAILABLE) {
        spa_string_append(out, "energy: unavailable: %s", e->reason);
        return;
    }
    spa_string_append(out, "energy: %.4g J per job, %s (+-%.1g %%), %.3g W; ", e->energy_j,
                      spa_energy_kind_name(e->kind), 100 * e->resolution, e->power_w);
    if (e->dynamic_reason[0] == '\0')
        spa_string_append(out, "%.4g J above idle (+-%.1g %%); ", e->dynamic_j,
                          100 * e->dynamic_resolution);
    else
        spa_string_append(out, "above idle unknown: %s; ", e->dynamic_reason);
    spa_string_append(out, "%s; %llu jobs in %.3g s", result->covers,
                      (unsigned long long)result->repetitions, result->duration_s);
}
