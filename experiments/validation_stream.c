/* A stream of requests on one schedule: measured, and simulated. */
#include <stdlib.h>

#include "experiments/validation_rows.h"

static spa_run_config config_of(const validator *v, size_t row)
{
    spa_run_config config = spa_run_config_default();
    config.graph = v->graph;
    config.costs = &v->costs;
    config.schedule = &v->entries[row].schedule;
    config.scenario = *v->options->stream;
    config.policy_cost = false;
    config.seed = v->options->seed;
    return config;
}

static void summarise(const validator *v, const spa_run_result *result,
                      const spa_histogram *latencies, spa_stream_side *side)
{
    *side = (spa_stream_side){
        .mean_ms = result->latency_ns.mean * 1e-6,
        .p50_ms = spa_histogram_quantile(latencies, 0.50) * 1e-6,
        .p95_ms = spa_histogram_quantile(latencies, 0.95) * 1e-6,
        .p99_ms = spa_histogram_quantile(latencies, 0.99) * 1e-6,
        .throughput_ips =
            (double)result->requests * v->graph->batch / ((double)result->span_ns * 1e-9),
    };
}

static spa_status run_side(validator *v, size_t row, bool simulated, spa_stream_side *side,
                           spa_error *err)
{
    spa_run_config config = config_of(v, row);
    spa_engine *engine = NULL;
    spa_histogram latencies;
    spa_run_result result;
    SPA_TRY(spa_histogram_init(&latencies, err));
    spa_status status = simulated ? SPA_OK : spa_hardware_config(v->hardware, &config, err);
    if (!status) status = spa_engine_new(&engine, &config, err);
    if (!status)
        status = simulated ? spa_engine_run(engine, &latencies, &result, err)
                           : spa_hardware_run(v->hardware, engine, NULL, &latencies, &result, err);
    if (!status) summarise(v, &result, &latencies, side);
    spa_engine_free(engine);
    spa_histogram_fini(&latencies);
    return status;
}

spa_status validation_run_stream(validator *v, size_t row, spa_error *err)
{
    spa_stream *stream;
    SPA_TRY(spa_alloc(&stream, 1, sizeof *stream, err));
    v->out->stream = stream;
    stream->scenario = *v->options->stream;
    SPA_TRY(run_side(v, row, false, &stream->side[0], err));
    return run_side(v, row, true, &stream->side[1], err);
}
