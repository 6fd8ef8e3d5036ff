/* Engine benchmarks on the workload of the design: 60-operator inferences, two processors, a
 * transfer at every second operator, contention, energy and a greedy policy on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "base/stats.h"
#include "experiments/bench.h"
#include "sim/engine.h"
#include "sim/event_list.h"

#define BENCH_OPS  60
#define BENCH_REPS 7

typedef struct bench_world {
    spa_graph graph;
    spa_costs costs;
} bench_world;

static spa_status build_graph(spa_graph *g, spa_error *err)
{
    int32_t previous = SPA_GRAPH_INPUT(0), index = 0;
    spa_graph_init(g, "bench_chain", 1, SPA_FP32);
    g->n_graph_inputs = 1;
    g->graph_inputs[0] = (spa_shape){4, {1, 16, 16, 16}};
    for (int i = 0; i < BENCH_OPS; i++) {
        char name[16];
        snprintf(name, sizeof name, "op%d", i);
        SPA_TRY(spa_graph_add(g, name, SPA_OP_RELU, &(spa_op_attrs){0}, &previous, 1, NULL, &index,
                              err));
        previous = index;
    }
    return spa_graph_finish(g, err);
}

/* Every second pair of operators is far cheaper on the other processor, so that a greedy policy
 * crosses over at every second operator. */
static spa_status build_costs(bench_world *w, bool occupies, spa_error *err)
{
    spa_costs *c = &w->costs;
    SPA_TRY(spa_costs_init(c, &w->graph, 2, err));
    for (uint32_t p = 0; p < 2; p++) {
        c->processors[p] = (spa_cost_processor){.name = p ? "gpu" : "cpu",
                                                .backend = "bench",
                                                .role = p ? SPA_ROLE_ACCELERATOR : SPA_ROLE_HOST,
                                                .is_async = p == 1,
                                                .n_lanes = 1,
                                                .cores_per_lane = 1,
                                                .clock_hz = 2e9,
                                                .slow_a = 0.1f};
        for (size_t i = 0; i < BENCH_OPS; i++)
            c->ops[i * 2 + p] =
                (spa_op_cost){.kernel_ns = i / 2 % 2 == p ? 1000 + (int64_t)i * 10 : 60000,
                              .launch_ns = p ? 500 : 0,
                              .dram_share = 0.6f,
                              .capacity_share = p ? 0.7f : 1.0f,
                              .pressure = 0.5f,
                              .dynamic_w = 3,
                              .origin = SPA_ORIGIN_ASSUMED};
    }
    c->n_links = 2;
    c->links[0][1] = (spa_cost_link){.id = 0, .dram_share = 0.3f};
    c->links[1][0] = (spa_cost_link){.id = 1, .dram_share = 0.3f};
    for (size_t t = 0; t < c->n_tensors; t++) {
        c->transfer_ns[(t * 2 + 0) * 2 + 1] = 300;
        c->transfer_ns[(t * 2 + 1) * 2 + 0] = 400;
    }
    c->dispatch_occupies_host = occupies;
    c->host_hz = 2e9;
    c->base_w = 5;
    c->device = "bench";
    c->mode = c->stack = c->lanes = "bench";
    c->origin = SPA_ORIGIN_ASSUMED;
    return spa_costs_finish(c, err);
}

static spa_status world_open(bench_world *w, bool occupies, spa_error *err)
{
    memset(w, 0, sizeof *w);
    SPA_TRY(build_graph(&w->graph, err));
    return build_costs(w, occupies, err);
}

static void world_close(bench_world *w)
{
    spa_costs_fini(&w->costs);
    spa_graph_fini(&w->graph);
}

static spa_status time_run(const bench_world *w, const spa_policy *policy, const void *self,
                           uint32_t concurrency, uint64_t requests, double *ns_per_op,
                           spa_error *err)
{
    spa_run_config config = spa_run_config_default();
    spa_engine *engine = NULL;
    spa_run_result result;
    spa_status status;
    double start;
    config.graph = &w->graph;
    config.costs = &w->costs;
    config.policy = policy;
    config.self = self;
    config.scenario = spa_scenario_closed(concurrency, requests);
    SPA_TRY(spa_engine_new(&engine, &config, err));
    start = bench_cpu_ns();
    status = spa_engine_run(engine, NULL, &result, err);
    *ns_per_op = (bench_cpu_ns() - start) / (double)(requests * BENCH_OPS);
    spa_engine_free(engine);
    return status;
}

/* ---- the bare loop: what this job costs without an engine --------------------------------------
 */

/* Chains alternate between two servers, greedy by next free time, a transfer at every change. No
 * graph, no contention, no energy, no checks: a floor, not a rival. */
static double bare_loop(const bench_world *w, uint64_t requests, volatile int64_t *sink)
{
    double start = bench_cpu_ns();
    int64_t free_ns[2] = {0, 0}, now = 0;
    for (uint64_t r = 0; r < requests; r++) {
        int at = 0;
        for (size_t i = 0; i < BENCH_OPS; i++) {
            int64_t best = INT64_MAX;
            int to = 0;
            for (int p = 0; p < 2; p++) {
                int64_t ready =
                    now +
                    (p == at ? 0 : w->costs.transfer_ns[(i * 2 + (size_t)at) * 2 + (size_t)p]);
                int64_t t = (ready > free_ns[p] ? ready : free_ns[p]) +
                            w->costs.ops[i * 2 + (size_t)p].kernel_ns;
                if (t < best) {
                    best = t;
                    to = p;
                }
            }
            at = to;
            free_ns[to] = now = best;
        }
    }
    *sink = now;
    return (bench_cpu_ns() - start) / (double)(requests * BENCH_OPS);
}

/* ---- figures -----------------------------------------------------------------------------------
 */

/* SimGrid on the same requests, without transfers, launches and energy; fewer of them, it takes
 * long. */
static void add_simgrid(bench_report *report, const uint32_t *flights, const double *median)
{
    for (int k = 0; k < 3; k++) {
        double ns[3];
        char name[96], in_flight[16], requests[16];
        const char *arguments[] = {in_flight, requests};
        snprintf(in_flight, sizeof in_flight, "%u", flights[k]);
        snprintf(requests, sizeof requests, "%d", (int)(2000 * report->seconds));
        for (int rep = 0; rep < 3; rep++) {
            ns[rep] = bench_run_peer("simgrid", arguments, 2);
            if (isnan(ns[rep])) return;
        }
        snprintf(name, sizeof name, "engine beside SimGrid, %u in flight", flights[k]);
        bench_peer(bench_add(report, name, median[k], "ns/operator"), "SimGrid", spa_median(ns, 3));
    }
}

static spa_status bench_loop(bench_report *report, bool occupies, const spa_policy *policy,
                             const void *self, spa_error *err)
{
    static const uint32_t flights[] = {1, 8, 64, 1000};
    double samples[4][BENCH_REPS], bare[BENCH_REPS], median[4], floor_ns;
    uint64_t requests = (uint64_t)(20000 * report->seconds);
    volatile int64_t sink;
    bench_world w;
    char name[96];
    spa_status status = world_open(&w, occupies, err);
    for (int rep = 0; rep < BENCH_REPS && !status; rep++) { /* interleaved: drift hits all alike */
        bare[rep] = bare_loop(&w, requests * 4, &sink);
        for (int k = 0; k < 4 && !status; k++)
            status = time_run(&w, policy, self, flights[k], requests, &samples[k][rep], err);
    }
    world_close(&w);
    if (status) return status;
    floor_ns = spa_median(bare, BENCH_REPS);
    for (int k = 0; k < 4; k++) {
        bench_figure *f;
        median[k] = spa_median(samples[k], BENCH_REPS);
        snprintf(name, sizeof name, "engine, %s, %u in flight",
                 occupies ? "host dispatches" : "lane dispatches", flights[k]);
        f = bench_add(report, name, median[k], "ns/operator");
        bench_peer(f, "bare C loop", floor_ns);
        if (k == 0) f->target = 100;
    }
    if (!occupies) add_simgrid(report, flights, median);
    snprintf(name, sizeof name, "growth 1 -> 1000 in flight, %s",
             occupies ? "host dispatches" : "lane dispatches");
    bench_add(report, name, median[3] / median[0], "times")->target = 2;
    return SPA_OK;
}

static spa_status bench_copy(bench_report *report, const spa_policy *policy, const void *self,
                             spa_error *err)
{
    spa_run_config config = spa_run_config_default();
    spa_engine *a = NULL, *b = NULL;
    double samples[BENCH_REPS];
    bench_world w;
    bool done;
    spa_status status = world_open(&w, false, err);
    config.graph = &w.graph;
    config.costs = &w.costs;
    config.policy = policy;
    config.self = self;
    if (!status) status = spa_engine_new(&a, &config, err);
    if (!status) status = spa_engine_new(&b, &config, err);
    if (!status) status = spa_engine_run_until(a, 20000, &done, err);
    for (int rep = 0; rep < BENCH_REPS && !status; rep++) {
        double start = bench_cpu_ns();
        for (int i = 0; i < 100000; i++) spa_engine_copy(b, a);
        samples[rep] = (bench_cpu_ns() - start) / 100000;
    }
    if (!status) {
        bench_figure *f = bench_add(report, "state copy, 60 operators, 2 processors",
                                    spa_median(samples, BENCH_REPS), "ns");
        f->target = 1000;
        bench_add(report, "state size", (double)spa_engine_state_bytes(a), "bytes");
    }
    spa_engine_free(a);
    spa_engine_free(b);
    world_close(&w);
    return status;
}

/* The same by std::priority_queue and by a calendar queue: the first beside ours, the second as a
 * figure of its own. */
static void add_queue_peers(bench_report *report, bench_figure *ours, uint32_t size)
{
    double ns[2][3];
    char name[96], n[16], holds[16];
    const char *heap[] = {"heap", n, holds}, *calendar[] = {"calendar", n, holds};
    snprintf(n, sizeof n, "%u", size);
    snprintf(holds, sizeof holds, "%d", (int)(500000 * report->seconds));
    for (int rep = 0; rep < 3; rep++) {
        ns[0][rep] = bench_run_peer("event_queues", heap, 3);
        ns[1][rep] = bench_run_peer("event_queues", calendar, 3);
        if (isnan(ns[0][rep]) || isnan(ns[1][rep])) return;
    }
    double ours_ns = ours->value;
    bench_peer(ours, "std::priority_queue", spa_median(ns[0], 3));
    snprintf(name, sizeof name, "the same, %u pending", size);
    bench_peer(bench_add(report, name, ours_ns, "ns"), "calendar queue", spa_median(ns[1], 3));
}

/* ---- open loops --------------------------------------------------------------------------------
 */

#define BENCH_SIZES 4 /* programs of 1, 2, 4, 8 samples; here all of them cost the same */

static spa_status run_open(const spa_run_config *config, uint64_t requests, double *s_per_million,
                           spa_error *err)
{
    spa_engine *engine = NULL;
    spa_histogram latencies;
    spa_run_result result;
    SPA_TRY(spa_histogram_init(&latencies, err));
    spa_status status = spa_engine_new(&engine, config, err);
    double start = bench_cpu_ns();
    if (!status) status = spa_engine_run(engine, &latencies, &result, err);
    *s_per_million = (bench_cpu_ns() - start) / (double)requests * 1e-3;
    spa_engine_free(engine);
    spa_histogram_fini(&latencies);
    return status;
}

/* Poisson arrivals at a load of about 0.6: every request alone, and in batches of up to 8. */
static spa_status time_open(const bench_world *w, const spa_policy *policy, const void *self,
                            uint64_t requests, double seconds[2], spa_error *err)
{
    spa_run_config config = spa_run_config_default();
    spa_program list[BENCH_SIZES];
    spa_programs *programs = NULL;
    spa_param_values values;
    void *batcher_self = NULL;
    const void *selves[1];
    config.policy = policy;
    config.self = self;
    config.graph = &w->graph;
    config.costs = &w->costs;
    config.scenario = spa_scenario_open(SPA_ARRIVALS_POISSON, 6000, 64, requests);
    SPA_TRY(run_open(&config, requests, &seconds[0], err));
    for (uint32_t i = 0; i < BENCH_SIZES; i++)
        list[i] = (spa_program){.label = "bench",
                                .graph = &w->graph,
                                .costs = &w->costs,
                                .self = self,
                                .samples = 1u << i,
                                .weight = 1};
    SPA_TRY(spa_batcher_parse("timeout:size=8:ms=1", &config.batcher, &values, err));
    spa_status status = config.batcher->create(&batcher_self, &values, err);
    selves[0] = batcher_self;
    if (!status) status = spa_programs_new(&programs, list, BENCH_SIZES, err);
    config.graph = NULL, config.costs = NULL, config.self = NULL;
    config.programs = programs;
    config.batcher_selves = selves;
    if (!status) status = run_open(&config, requests, &seconds[1], err);
    spa_programs_free(programs);
    free(batcher_self);
    return status;
}

static spa_status bench_open(bench_report *report, const spa_policy *policy, const void *self,
                             spa_error *err)
{
    double alone[BENCH_REPS], batched[BENCH_REPS], pair[2];
    uint64_t requests = (uint64_t)(20000 * report->seconds);
    bench_world w;
    spa_status status = world_open(&w, false, err);
    for (int rep = 0; rep < BENCH_REPS && !status; rep++) {
        status = time_open(&w, policy, self, requests, pair, err);
        alone[rep] = pair[0];
        batched[rep] = pair[1];
    }
    world_close(&w);
    if (status) return status;
    bench_add(report, "1,000,000 requests, open loop, 60 operators", spa_median(alone, BENCH_REPS),
              "s")
        ->target = 6;
    bench_add(report, "the same in batches of up to 8", spa_median(batched, BENCH_REPS), "s")
        ->target = 6;
    return SPA_OK;
}

/* Hold model (Vaucher and Duval 1975): take the first event, put it back later. */
static spa_status bench_events(bench_report *report, spa_error *err)
{
    static const uint32_t sizes[] = {4, 10, 100, 1000, 10000, 100000, 1000000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        spa_event_list *list = NULL;
        double samples[BENCH_REPS];
        char name[96];
        spa_rng rng;
        SPA_TRY(spa_alloc(&list, 1, spa_event_list_bytes(sizes[k]), err));
        spa_event_list_init(list, sizes[k]);
        spa_rng_init(&rng, 1, "bench-events");
        for (uint32_t s = 0; s < sizes[k]; s++)
            spa_event_list_set(list, s, spa_rng_below(&rng, 1u << 20));
        for (int rep = 0; rep < BENCH_REPS; rep++) {
            int n = (int)(500000 * report->seconds);
            uint32_t x = 12345;
            double start = bench_cpu_ns();
            for (int i = 0; i < n; i++) {
                uint32_t slot = spa_event_list_first(list);
                x = x * 1664525u + 1013904223u;
                spa_event_list_set(list, slot, spa_event_list_times(list)[slot] + 1 + (x >> 12));
            }
            samples[rep] = (bench_cpu_ns() - start) / n;
        }
        snprintf(name, sizeof name, "event list, pop + push, %u pending", sizes[k]);
        bench_figure *f = bench_add(report, name, spa_median(samples, BENCH_REPS), "ns");
        free(list);
        add_queue_peers(report, f, sizes[k]);
    }
    return SPA_OK;
}

spa_status bench_engine(bench_report *report, spa_error *err)
{
    const spa_policy *policy;
    spa_param_values values;
    void *self = NULL;
    spa_status status;
    SPA_TRY(spa_policy_parse("greedy", &policy, &values, err));
    if (policy->create) SPA_TRY(policy->create(&self, &values, err));
    status = bench_loop(report, false, policy, self, err);
    if (!status) status = bench_loop(report, true, policy, self, err);
    if (!status) status = bench_open(report, policy, self, err);
    if (!status) status = bench_copy(report, policy, self, err);
    if (!status) status = bench_events(report, err);
    if (policy->destroy) policy->destroy(self);
    return status;
}
