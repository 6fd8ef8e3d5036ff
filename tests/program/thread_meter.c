/* A measurement in real time: meters polled by their thread while jobs run and results are looked
 * at. Build it with VARIANT=tsan; a data race makes it fail. Without the sanitizer it still checks
 * that the figure is the power times the time. */
#include <math.h>
#include <stdio.h>
#include "kernels/clock.h"
#include "kernels/meter.h"

static spa_status read_counter(void *context, spa_meter_reading *reading, spa_error *err)
{
    reading->count = (uint64_t)(spa_clock_ns() / 100); /* 10 W in uJ: 10 uJ per us */
    return SPA_OK;
}

static spa_status read_sensor(void *context, spa_meter_reading *reading, spa_error *err)
{
    (*(int *)context)++;
    reading->power_w = 10;
    return SPA_OK;
}

static spa_status job(void *context, spa_error *err)
{
    int64_t end = spa_clock_ns() + 2000000;
    while (spa_clock_ns() < end) (*(volatile int *)context)++;
    return SPA_OK;
}

int main(void)
{
    spa_error err = {0};
    spa_meter_set set;
    spa_energy_result result;
    int readings = 0, work = 0;
    spa_meter_rail counter = {.name = "counter",
                              .kind = SPA_METER_COUNTER,
                              .in_total = true,
                              .unit_j = 1e-6,
                              .step = 1e-6,
                              .update_ns = 1000,
                              .poll_ns = 1000000,
                              .read = read_counter};
    spa_meter_rail sensor = {.name = "sensor",
                             .kind = SPA_METER_SAMPLER,
                             .update_ns = 1000,
                             .poll_ns = 1000000,
                             .read = read_sensor,
                             .context = &readings};
    spa_meter_options options = spa_meter_options_default();
    options.idle_s = 0.05;
    options.min_repetitions = 200;
    spa_meter_set_init(&set, &spa_meter_time_real);
    if (spa_meter_set_add(&set, &counter, &err) || spa_meter_set_add(&set, &sensor, &err) ||
        spa_meter_measure(&set, &options, job, &work, &result, &err)) {
        fprintf(stderr, "thread_meter: %s\n", err.message);
        return 1;
    }
    spa_meter_set_fini(&set);
    double expected = 10 * result.duration_s / (double)result.repetitions;
    bool good = result.total.kind == SPA_ENERGY_MEASURED && readings > 20 &&
                fabs(result.total.energy_j / expected - 1) < 0.02;
    if (good)
        printf("thread_meter: %llu jobs, %.4f J each, %d readings\n",
               (unsigned long long)result.repetitions, result.total.energy_j, readings);
    else
        fprintf(stderr, "thread_meter: %g J, not %g, %d readings; %s\n", result.total.energy_j,
                expected, readings, result.total.reason);
    return !good;
}
