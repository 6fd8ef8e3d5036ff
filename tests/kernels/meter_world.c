#include "tests/kernels/meter_world.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double power_now(const world *w)
{
    if (w->power_w != NULL) return w->power_w((double)w->now_ns * 1e-9);
    return w->busy ? w->busy_w : w->idle_w;
}

static int64_t now_ns(void *context)
{
    return ((world *)context)->now_ns;
}

static void sleep_ns(void *context, int64_t ns)
{
    world_advance(context, (double)ns * 1e-9);
}

static spa_status start(void *context, int64_t interval_ns, spa_meter_tick *tick, void *argument,
                        void **ticker, spa_error *err)
{
    world *w = context;
    cr_assert_eq(w->running, 0, "a ticker was not stopped");
    w->running++;
    w->tick_ns = interval_ns;
    w->next_ns = w->now_ns + interval_ns;
    w->tick = tick;
    w->tick_argument = argument;
    *ticker = w;
    return SPA_OK;
}

static void stop(void *context, void *ticker)
{
    world *w = context;
    cr_assert_eq(ticker, w);
    w->running--;
    w->tick = NULL;
}

void world_init(world *w)
{
    memset(w, 0, sizeof *w);
    w->now_ns = 1000000000;
    w->idle_w = 5;
    w->busy_w = 20;
    w->job_ns = 10000000;
}

spa_meter_time world_time(world *w)
{
    return (spa_meter_time){
        .context = w, .now_ns = now_ns, .sleep_ns = sleep_ns, .start = start, .stop = stop};
}

static void flow(world *w, int64_t until)
{
    w->energy_j += power_now(w) * (double)(until - w->now_ns) * 1e-9;
    w->now_ns = until;
}

void world_advance(world *w, double seconds)
{
    int64_t until = w->now_ns + (int64_t)llround(seconds * 1e9);
    while (w->tick != NULL && w->next_ns <= until) {
        flow(w, w->next_ns);
        w->next_ns += w->tick_ns;
        w->ticks++;
        w->tick(w->tick_argument);
    }
    flow(w, until);
}

spa_status world_job(void *context, spa_error *err)
{
    world *w = context;
    w->busy = true;
    if (++w->jobs == w->fail_at) return spa_fail(err, SPA_E_IO, "job %d fell over", w->jobs);
    world_advance(w, (double)w->job_ns * 1e-9);
    return SPA_OK;
}

static spa_status read_gauge(void *context, spa_meter_reading *reading, spa_error *err)
{
    gauge *g = context;
    if (g->fail_after > 0 && g->readings >= g->fail_after)
        return spa_fail(err, SPA_E_IO, "the gauge fell off");
    g->readings++;
    reading->power_w = g->scale * power_now(g->w);
    /* Half a count: sums of powers are not exact to the last bit. */
    reading->count = g->start;
    if (!g->dead) reading->count += (uint64_t)(g->scale * g->w->energy_j / g->unit_j + 0.5);
    if (g->range > 0) reading->count %= g->range;
    return SPA_OK;
}

static void release(void *context)
{
    ((gauge *)context)->released++;
}

static spa_meter_rail rail(gauge *g, world *w, const char *name)
{
    spa_meter_rail r = {.in_total = true, .read = read_gauge, .release = release, .context = g};
    *g = (gauge){.w = w, .scale = 1, .unit_j = 1e-6};
    snprintf(r.name, sizeof r.name, "%s", name);
    return r;
}

spa_meter_rail world_counter(gauge *g, world *w, const char *name)
{
    spa_meter_rail r = rail(g, w, name);
    r.kind = SPA_METER_COUNTER;
    r.unit_j = r.step = 1e-6;
    r.update_ns = 1000000;
    r.poll_ns = 1000000000;
    return r;
}

spa_meter_rail world_sampler(gauge *g, world *w, const char *name)
{
    spa_meter_rail r = rail(g, w, name);
    r.kind = SPA_METER_SAMPLER;
    r.update_ns = 1000000;
    r.poll_ns = 10000000;
    return r;
}
