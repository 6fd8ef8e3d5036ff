/* Energy of a replayed schedule, where the machine has a meter. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/validation_rows.h"

#define JOB_MS 500 /* a job is about so long: meters cannot tell a single inference */

typedef struct energy_job {
    spa_hardware *hardware;
    spa_engine *engine;
    uint64_t repetition;
} energy_job;

static spa_status run_job(void *context, spa_error *err)
{
    energy_job *job = context;
    spa_run_result result;
    SPA_TRY(spa_engine_restart(job->engine, 1, job->repetition++, NULL, err));
    return spa_hardware_run(job->hardware, job->engine, NULL, NULL, &result, err);
}

static spa_status measure(validator *v, size_t row, spa_meter_set *set, spa_error *err)
{
    const validated_entry *e = &v->entries[row];
    const spa_validated *r = &v->out->rows[row];
    spa_meter_options options = spa_meter_options_default();
    spa_run_config config = spa_run_config_default();
    double requests = ceil(JOB_MS / fmax(r->measured_ms, 1e-3));
    energy_job job = {.hardware = v->hardware};
    config.graph = v->graph;
    config.costs = &v->costs;
    config.schedule = &e->schedule;
    config.scenario = spa_scenario_closed(v->options->concurrency, (uint64_t)requests);
    SPA_TRY(spa_hardware_config(v->hardware, &config, err));
    SPA_TRY(spa_engine_new(&job.engine, &config, err));
    spa_status status =
        spa_meter_measure(set, &options, run_job, &job, &v->out->energy->result, err);
    v->out->energy->inferences_per_job = requests * v->graph->batch;
    spa_engine_free(job.engine);
    return status;
}

spa_status validation_measure_energy(validator *v, size_t row, spa_error *err)
{
    spa_meter_config config = spa_meter_config_default();
    spa_meter_set *set;
    spa_error why = {0};
    SPA_TRY(spa_alloc(&v->out->energy, 1, sizeof *v->out->energy, err));
    SPA_TRY(spa_alloc(&set, 1, sizeof *set, err));
    spa_status status = spa_meter_set_probe(set, &config, &why);
    if (status == SPA_E_UNSUPPORTED) { /* no meter is no error */
        snprintf(v->out->energy->reason, sizeof v->out->energy->reason, "%.500s", why.message);
        status = SPA_OK;
    } else if (status == SPA_OK) {
        status = measure(v, row, set, err);
        spa_meter_set_fini(set);
    } else if (err) {
        *err = why;
    }
    free(set);
    return status;
}
