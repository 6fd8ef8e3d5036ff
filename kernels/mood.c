#include "kernels/mood.h"

#include <math.h>
#include <stdlib.h>

#include "base/stats.h"
#include "base/text.h"
#include "kernels/campaign.h"

/* Inferences of an anchor per reading; one more is run before them. */
#define READING_RUNS 2

struct spa_anchors {
    spa_hardware *hardware;
    const spa_costs *costs;
    size_t n, n_lanes;
    spa_schedule schedules[SPA_ANCHORS_MAX];
    spa_engine *engines[SPA_ANCHORS_MAX];
    double turn_share[SPA_MAX_PROCESSORS]; /* of the anchor in turn: kernel time by lane */
    double turn_us[SPA_MAX_PROCESSORS];
    spa_hardware_record record;
    spa_mood *readings;
    size_t n_readings, capacity;
    double *scratch; /* [capacity] */
};

static void place(const spa_graph *graph, size_t anchor, size_t n_lanes, spa_schedule *s)
{
    size_t turn = 0;
    for (size_t i = 0; i < graph->n_ops; i++) {
        if (graph->ops[i].kind == SPA_OP_RESHAPE) continue;
        s->processor[i] = (uint8_t)(anchor < n_lanes ? anchor : turn++ % n_lanes);
    }
}

static spa_status add_anchor(spa_anchors *a, size_t anchor, spa_error *err)
{
    spa_run_config config = spa_run_config_default();
    SPA_TRY(spa_schedule_init(&a->schedules[anchor], a->costs->n_ops, err));
    place(a->costs->graph, anchor, a->n_lanes, &a->schedules[anchor]);
    config.graph = a->costs->graph;
    config.costs = a->costs;
    config.schedule = &a->schedules[anchor];
    config.scenario = spa_scenario_closed(1, READING_RUNS + 1);
    SPA_TRY(spa_hardware_config(a->hardware, &config, err));
    return spa_engine_new(&a->engines[anchor], &config, err);
}

spa_status spa_anchors_new(spa_anchors **anchors, spa_hardware *hardware, const spa_costs *costs,
                           spa_error *err)
{
    spa_anchors *a = NULL;
    *anchors = NULL;
    SPA_TRY(spa_alloc(&a, 1, sizeof *a, err));
    a->hardware = hardware;
    a->costs = costs;
    a->n_lanes = spa_hardware_lanes(hardware)->count;
    a->n = a->n_lanes > 1 ? a->n_lanes + 1 : 1;
    spa_status status =
        spa_hardware_record_init(&a->record, hardware, READING_RUNS + 1, false, err);
    for (size_t k = 0; k < a->n && !status; k++) status = add_anchor(a, k, err);
    if (status)
        spa_anchors_free(a);
    else
        *anchors = a;
    return status;
}

void spa_anchors_free(spa_anchors *a)
{
    if (!a) return;
    for (size_t k = 0; k < a->n; k++) {
        spa_engine_free(a->engines[k]);
        spa_schedule_fini(&a->schedules[k]);
    }
    spa_hardware_record_fini(&a->record);
    free(a->readings);
    free(a->scratch);
    free(a);
}

size_t spa_anchors_count(const spa_anchors *a)
{
    return a->n;
}

double spa_anchors_turn_bytes(const spa_anchors *a)
{
    return a->n_lanes > 1 ? spa_crossing_bytes(a->costs->graph,
                                               (const int8_t *)a->schedules[a->n_lanes].processor)
                          : 0;
}

/* Where the time of the anchor in turn goes. */
static void note_shares(spa_anchors *a)
{
    double sum = 0;
    for (uint64_t q = 1; q <= READING_RUNS; q++) {
        const spa_hardware_op *ops = spa_hardware_ops(&a->record, q);
        for (size_t i = 0; i < a->record.n_ops; i++)
            if (ops[i].lane >= 0)
                a->turn_us[ops[i].lane] += (double)(ops[i].end_ns - ops[i].begin_ns) * 1e-3;
    }
    for (size_t l = 0; l < a->n_lanes; l++) sum += a->turn_us[l];
    for (size_t l = 0; l < a->n_lanes; l++) a->turn_share[l] = sum > 0 ? a->turn_us[l] / sum : 0;
}

static spa_status read_anchor(spa_anchors *a, size_t anchor, float *log_us, spa_error *err)
{
    spa_run_result result;
    double sum = 0;
    SPA_TRY(spa_engine_restart(a->engines[anchor], 0, 0, NULL, err));
    SPA_TRY(spa_hardware_run(a->hardware, a->engines[anchor], &a->record, NULL, &result, err));
    for (uint64_t q = 1; q <= READING_RUNS; q++)
        sum += (double)(a->record.finish_ns[q] - a->record.arrive_ns[q]) * 1e-3;
    *log_us = (float)log(sum / READING_RUNS);
    if (anchor == a->n_lanes) note_shares(a);
    return SPA_OK;
}

spa_status spa_anchors_read(spa_anchors *a, spa_mood *mood, spa_error *err)
{
    size_t before = a->capacity;
    *mood = (spa_mood){{0}};
    for (size_t k = 0; k < a->n; k++) SPA_TRY(read_anchor(a, k, &mood->log_us[k], err));
    SPA_TRY(spa_grow(&a->readings, &a->capacity, a->n_readings + 1, sizeof *a->readings, err));
    if (a->capacity != before) {
        free(a->scratch);
        a->scratch = NULL;
        SPA_TRY(spa_alloc(&a->scratch, a->capacity, sizeof *a->scratch, err));
    }
    a->readings[a->n_readings++] = *mood;
    return SPA_OK;
}

void spa_anchors_usual(const spa_anchors *a, spa_mood *usual)
{
    *usual = (spa_mood){{0}};
    for (size_t k = 0; k < a->n && a->n_readings > 0; k++) {
        for (size_t i = 0; i < a->n_readings; i++) a->scratch[i] = (double)a->readings[i].log_us[k];
        usual->log_us[k] = (float)spa_median(a->scratch, a->n_readings);
    }
}

double spa_mood_factor(const spa_anchors *a, const spa_mood *mood, const spa_mood *usual,
                       const double *share, double crossing)
{
    double own = 0, turn = 0;
    for (size_t l = 0; l < a->n_lanes; l++) {
        double off = (double)(mood->log_us[l] - usual->log_us[l]);
        own += share[l] * off;
        turn += a->turn_share[l] * off;
    }
    if (a->n_lanes > 1) {
        double off = (double)(mood->log_us[a->n_lanes] - usual->log_us[a->n_lanes]);
        own += crossing * (off - turn);
    }
    return exp(own);
}
