/* Reading the rails of a set over a while: counters with their turns, samplers by trapezoids. */
#include "kernels/meter_window.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double seconds(int64_t ns)
{
    return (double)ns * 1e-9;
}

/* The energy since the last reading; false = a fault. A turn is seen as a count that went back. */
static bool counter_energy(const spa_meter_rail *rail, spa_meter_track *track, uint64_t count,
                           double dt, double *energy_j)
{
    uint64_t before = track->last.count, delta;
    if (rail->range > 0 && count > rail->range) {
        snprintf(track->fault, sizeof track->fault,
                 "%s: count %llu is beyond the counter's range of %llu", rail->name,
                 (unsigned long long)count, (unsigned long long)rail->range);
        return false;
    }
    if (count >= before) {
        delta = count - before;
    } else if (rail->range == 0) {
        snprintf(track->fault, sizeof track->fault,
                 "%s: the counter ran backwards (was the driver loaded anew?); measure again",
                 rail->name);
        return false;
    } else {
        delta = rail->range - before + count;
    }
    *energy_j = (double)delta * rail->unit_j;
    if (rail->range > 0 && dt * SPA_METER_MAX_W >= (double)rail->range * rail->unit_j) {
        snprintf(track->fault, sizeof track->fault,
                 "%s: %.3g s between two readings; the counter may have turned unseen", rail->name,
                 dt);
        return false;
    }
    /* What is read may stand still for one update and then jump. */
    double most = SPA_METER_MAX_W * (dt + 2 * seconds(rail->update_ns)) + rail->step;
    if (*energy_j <= most) return true;
    snprintf(track->fault, sizeof track->fault,
             "%s: %.4g J in %.3g s is more than %g W: the counter was reset; measure again",
             rail->name, *energy_j, dt, SPA_METER_MAX_W);
    return false;
}

static void read_rail(spa_meter_window *window, const spa_meter_rail *rail, spa_meter_track *track)
{
    const spa_meter_time *time = &window->set->time;
    spa_meter_reading reading = {0};
    spa_error err = {0};
    if (track->fault[0] != '\0') return;
    int64_t before = time->now_ns(time->context);
    if (rail->read(rail->context, &reading, &err) != SPA_OK) {
        snprintf(track->fault, sizeof track->fault, "%.255s", err.message);
        return;
    }
    /* Reading takes up to milliseconds (I2C): the value belongs to the middle of it. */
    int64_t now = before + (time->now_ns(time->context) - before) / 2;
    if (rail->kind == SPA_METER_SAMPLER && !isfinite(reading.power_w)) {
        snprintf(track->fault, sizeof track->fault, "%s: no finite power", rail->name);
        return;
    }
    if (track->readings == 0) {
        track->first_ns = now;
    } else {
        double dt = seconds(now - track->last_ns), energy_j = 0;
        if (rail->kind == SPA_METER_COUNTER) {
            if (!counter_energy(rail, track, reading.count, dt, &energy_j)) return;
        } else {
            energy_j = 0.5 * (track->last.power_w + reading.power_w) * dt;
        }
        track->energy_j += energy_j;
        if (now - track->last_ns > track->gap_ns) track->gap_ns = now - track->last_ns;
    }
    if (rail->kind == SPA_METER_SAMPLER) spa_moments_add(&track->power, reading.power_w);
    track->last = reading;
    track->last_ns = now;
    track->readings++;
}

static void poll_locked(spa_meter_window *window, bool all)
{
    const spa_meter_set *set = window->set;
    for (size_t i = 0; i < set->count; i++) {
        const spa_meter_rail *rail = &set->rails[i];
        spa_meter_track *track = &window->tracks[i];
        int64_t now = set->time.now_ns(set->time.context);
        /* Half a tick early is due: the next tick would be late. */
        if (all || now - track->last_ns + window->tick_ns / 2 >= rail->poll_ns)
            read_rail(window, rail, track);
    }
}

void spa_meter_poll(spa_meter_window *window, bool all)
{
    pthread_mutex_lock(&window->mutex);
    poll_locked(window, all);
    pthread_mutex_unlock(&window->mutex);
}

static void tick(void *argument)
{
    spa_meter_window *window = argument;
    pthread_mutex_lock(&window->mutex);
    if (!window->ended) poll_locked(window, false);
    pthread_mutex_unlock(&window->mutex);
}

spa_status spa_meter_begin(spa_meter_window *window, spa_meter_set *set, bool poll, spa_error *err)
{
    memset(window, 0, sizeof *window);
    window->set = set;
    for (size_t i = 0; i < set->count; i++)
        if (i == 0 || set->rails[i].poll_ns < window->tick_ns)
            window->tick_ns = set->rails[i].poll_ns;
    pthread_mutex_init(&window->mutex, NULL);
    spa_meter_poll(window, true);
    if (!poll) return SPA_OK;
    spa_status status =
        set->time.start(set->time.context, window->tick_ns, tick, window, &window->ticker, err);
    if (status != SPA_OK) pthread_mutex_destroy(&window->mutex);
    return status;
}

void spa_meter_end(spa_meter_window *window)
{
    const spa_meter_time *time = &window->set->time;
    pthread_mutex_lock(&window->mutex);
    poll_locked(window, true);
    window->ended = true; /* a tick that waits for the lock comes too late */
    pthread_mutex_unlock(&window->mutex);
    if (window->ticker != NULL) time->stop(time->context, window->ticker);
    window->ticker = NULL;
    pthread_mutex_destroy(&window->mutex);
}

/* A sampler's readings are independent as far as they show new values. */
static double sampler_error(const spa_meter_rail *rail, const spa_meter_track *track, double t,
                            double p)
{
    double n = (double)track->readings, update = seconds(rail->update_ns);
    if (track->readings < SPA_METER_LEAST_SAMPLES) return INFINITY;
    if (update > 0 && t / update < n) n = fmax(1, t / update);
    double error_j = rail->step * t / sqrt(12 * n);
    error_j += 2 * spa_moments_sd(&track->power) * t / sqrt(n);
    if (track->gap_ns > 2 * rail->poll_ns)
        error_j += fabs(p) * seconds(track->gap_ns - 2 * rail->poll_ns);
    return error_j;
}

/* The error of energy_j:
 * - at both ends what is read may be one update old: 2 * P * update;
 * - a counter's step at both ends;
 * - a sampler's step as the rounding error of a mean, step * T / sqrt(12 N): loads move by more
 *   than one step between readings;
 * - a sampler sees a load that goes up and down at some moments only: two standard errors of the
 *   mean of what it read;
 * - a sampler that was not read for longer than two polls has missed what happened there. */
void spa_meter_mean_of(const spa_meter_rail *rail, const spa_meter_track *track,
                       spa_meter_mean *mean)
{
    *mean = (spa_meter_mean){.seconds = NAN, .energy_j = NAN, .power_w = NAN, .error_j = NAN};
    if (track->fault[0] != '\0' || track->readings < 2 || track->last_ns <= track->first_ns) return;
    double t = seconds(track->last_ns - track->first_ns);
    double p = track->energy_j / t;
    double error_j = 2 * fabs(p) * seconds(rail->update_ns);
    error_j += rail->kind == SPA_METER_COUNTER ? 2 * rail->step : sampler_error(rail, track, t, p);
    *mean = (spa_meter_mean){
        .valid = true, .seconds = t, .energy_j = track->energy_j, .power_w = p, .error_j = error_j};
}
