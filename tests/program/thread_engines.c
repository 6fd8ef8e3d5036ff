/* Engines in many threads over shared graphs and cost tables: their digests are those of one
 * thread.
 *
 * A plain program, because Criterion cannot start under ThreadSanitizer. Build it with VARIANT=tsan
 * (-fsanitize=thread) and run it; a data race makes it fail. Without the sanitizer it still checks
 * the digests. Usage: thread_engines [THREADS]. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/rng.h"
#include "sim/engine.h"

enum { WORLDS = 6, RUNS = 20, MOST_THREADS = 64 };

/* A chain with side branches on a host and a stream. */
typedef struct world {
    spa_graph graph;
    spa_costs costs;
    spa_schedule schedule;
    uint64_t digest[RUNS]; /* of one thread */
    int64_t makespan_ns;
} world;

static world worlds[WORLDS];

static void must(spa_status status, const spa_error *err)
{
    if (!status) return;
    fprintf(stderr, "thread_engines: %s\n", err->message);
    exit(1);
}

/* A placing policy whose self is shared by the threads and whose memory belongs to the run. */
static void begin(const void *self, void *memory, const spa_plan_context *context)
{
    spa_rng_init(memory, context->seed, self);
}

static void place(const void *self, void *memory, const spa_view *view, uint32_t op,
                  spa_action *action)
{
    action->processor = (int32_t)spa_rng_below(memory, view->costs->n_processors);
}

static const spa_policy policy = {.abi = SPA_POLICY_ABI,
                                  .struct_size = sizeof(spa_policy),
                                  .name = "walk",
                                  .capabilities = SPA_CAP_PLACE | SPA_CAP_RANDOM,
                                  .objectives = SPA_OBJECTIVE_LATENCY,
                                  .memory_bytes = sizeof(spa_rng),
                                  .begin = begin,
                                  .place = place};

static void build(world *w, int index)
{
    spa_error err;
    spa_rng rng;
    const spa_shape shape = {1, {16}};
    spa_rng_init_indexed(&rng, 1, "thread_engines", (uint64_t)index);
    spa_graph_init(&w->graph, "threads", 1, SPA_FP32);
    w->graph.n_graph_inputs = 1;
    w->graph.graph_inputs[0] = shape;
    for (int i = 0; i < 40; i++) {
        char name[16];
        const int32_t inputs[] = {i - 1, i > 4 ? i - 1 - (int32_t)spa_rng_below(&rng, 4) : -1};
        snprintf(name, sizeof name, "op%d", i);
        must(spa_graph_add(&w->graph, name, i % 9 == 5 ? SPA_OP_RESHAPE : SPA_OP_OTHER, NULL,
                           inputs, i % 9 == 5 ? 1 : 2, &shape, NULL, &err),
             &err);
    }
    must(spa_graph_finish(&w->graph, &err), &err);
    must(spa_costs_init(&w->costs, &w->graph, 2, &err), &err);
    w->costs.processors[1].is_async = index & 1;
    w->costs.processors[1].n_lanes = 2;
    w->costs.dispatch_occupies_host = index & 2;
    w->costs.run_cv = 0.1;
    for (size_t i = 0; i < 80; i++)
        w->costs.ops[i] = (spa_op_cost){.kernel_ns = 10 + spa_rng_below(&rng, 1000),
                                        .launch_ns = 5,
                                        .dram_share = 0.5f,
                                        .capacity_share = 0.75f,
                                        .pressure = 0.5f,
                                        .noise_cv = 0.2f,
                                        .origin = SPA_ORIGIN_ASSUMED};
    for (size_t t = 0; t < w->costs.n_tensors; t++)
        w->costs.transfer_ns[4 * t + 1] = w->costs.transfer_ns[4 * t + 2] = 20;
    must(spa_costs_finish(&w->costs, &err), &err);
    must(spa_schedule_init(&w->schedule, w->costs.n_ops, &err), &err);
    for (size_t i = 0; i < w->costs.n_ops; i++) w->schedule.processor[i] = (uint8_t)(i / 3 % 2);
}

/* All runs of all worlds: compared with, or (record) kept as, those of one thread. Returns how many
 * differ. */
static int run_all(int first, int record)
{
    int differ = 0;
    spa_error err;
    for (int k = 0; k < WORLDS; k++) {
        world *w = &worlds[(first + k) % WORLDS];
        spa_run_config config = spa_run_config_default();
        spa_engine *engine;
        spa_evaluator *evaluator;
        spa_evaluation value;
        spa_run_result result;
        config.graph = &w->graph;
        config.costs = &w->costs;
        config.schedule = &w->schedule;
        config.noise = true;
        config.scenario = spa_scenario_closed(3, 5);
        if ((first + k) % WORLDS >= WORLDS / 2) {
            config.policy = &policy;
            config.self = "shared";
        }
        must(spa_engine_new(&engine, &config, &err), &err);
        for (uint64_t run = 0; run < RUNS; run++) {
            must(spa_engine_restart(engine, 3, run, NULL, &err), &err);
            must(spa_engine_run(engine, NULL, &result, &err), &err);
            if (record) w->digest[run] = result.digest;
            differ += result.digest != w->digest[run];
        }
        spa_engine_free(engine);
        must(spa_evaluator_new(&evaluator, &w->graph, &w->costs, true, &err), &err);
        must(spa_evaluate(evaluator, &w->schedule, &value, &err), &err);
        spa_evaluator_free(evaluator);
        if (record) w->makespan_ns = value.makespan_ns;
        differ += value.makespan_ns != w->makespan_ns;
    }
    return differ;
}

static void *work(void *user)
{
    int *differ = user;
    *differ = run_all(*differ, 0); /* its number: where it begins */
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t threads[MOST_THREADS];
    int differ[MOST_THREADS], n = argc > 1 ? atoi(argv[1]) : 4, total = 0;
    if (n < 1 || n > MOST_THREADS) {
        fprintf(stderr, "usage: %s [1 .. %d THREADS]\n", argv[0], MOST_THREADS);
        return 2;
    }
    for (int k = 0; k < WORLDS; k++) build(&worlds[k], k);
    run_all(0, 1);
    for (int i = 1; i < RUNS; i++) /* noise: a digest that never changes would prove nothing */
        total += worlds[0].digest[i] == worlds[0].digest[0];
    for (int i = 0; i < n; i++) {
        differ[i] = i;
        if (pthread_create(&threads[i], NULL, work, &differ[i]) != 0) {
            fprintf(stderr, "thread_engines: cannot start thread %d\n", i);
            return 1;
        }
    }
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        total += differ[i];
    }
    for (int k = 0; k < WORLDS; k++) {
        spa_schedule_fini(&worlds[k].schedule);
        spa_costs_fini(&worlds[k].costs);
        spa_graph_fini(&worlds[k].graph);
    }
    if (total)
        fprintf(stderr, "thread_engines: %d results differ from those of one thread\n", total);
    else
        printf("thread_engines: %d threads, %d runs each, equal digests\n", n, WORLDS * RUNS);
    return total != 0;
}
