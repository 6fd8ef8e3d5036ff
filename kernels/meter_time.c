/* Real time for meters: the monotonic clock and a thread that ticks. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/clock.h"
#include "kernels/meter.h"

typedef struct ticker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool quit;
    int64_t interval_ns;
    spa_meter_tick *tick;
    void *argument;
} ticker;

static int64_t now_ns(void *context)
{
    return spa_clock_ns();
}

static struct timespec to_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = ns % 1000000000};
}

static void sleep_ns(void *context, int64_t ns)
{
    struct timespec until = to_timespec(spa_clock_ns() + ns);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) continue;
}

static void *run(void *argument)
{
    ticker *t = argument;
    int64_t next = spa_clock_ns() + t->interval_ns;
    pthread_mutex_lock(&t->mutex);
    while (!t->quit) {
        struct timespec until = to_timespec(next);
        if (pthread_cond_timedwait(&t->changed, &t->mutex, &until) != ETIMEDOUT) continue;
        pthread_mutex_unlock(&t->mutex);
        t->tick(t->argument);
        pthread_mutex_lock(&t->mutex);
        int64_t now = spa_clock_ns();
        next += t->interval_ns;
        if (next < now) next = now; /* late: one tick, not all those missed */
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

static spa_status start(void *context, int64_t interval_ns, spa_meter_tick *tick, void *argument,
                        void **out, spa_error *err)
{
    ticker *t;
    pthread_condattr_t attributes;
    *out = NULL;
    SPA_TRY(spa_alloc(&t, 1, sizeof *t, err));
    t->interval_ns = interval_ns;
    t->tick = tick;
    t->argument = argument;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int code = pthread_create(&t->thread, NULL, run, t);
    if (code != 0) {
        pthread_cond_destroy(&t->changed);
        pthread_mutex_destroy(&t->mutex);
        free(t);
        return spa_fail(err, SPA_E_UNSUPPORTED, "cannot start the thread that polls meters: %s",
                        strerror(code));
    }
    *out = t;
    return SPA_OK;
}

static void stop(void *context, void *argument)
{
    ticker *t = argument;
    if (t == NULL) return;
    pthread_mutex_lock(&t->mutex);
    t->quit = true;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->mutex);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

const spa_meter_time spa_meter_time_real = {
    .now_ns = now_ns, .sleep_ns = sleep_ns, .start = start, .stop = stop};
