/* A graph on lanes of which one is asynchronous: table, model, hardware, and the answers of `ref`.
 */
#ifndef SPA_TESTS_KERNELS_ASYNC_BENCH_H
#define SPA_TESTS_KERNELS_ASYNC_BENCH_H

#include "kernels/hardware.h"
#include "sim/audit.h"

#define LANES "cpu:0=blas,emulated:1"

enum { MOST_SLOTS = 8 };

typedef struct async_bench {
    spa_graph graph;
    spa_costs costs;
    spa_model model;
    spa_lane_set lanes;
    spa_hardware *hardware;
    spa_hardware_options options;
    spa_schedule schedule;
    spa_run_config config;
    spa_hardware_record record;
    float *answers[MOST_SLOTS]; /* of all results, by `ref`; of each slot's inputs */
} async_bench;

void async_bench_needs_cores(void); /* 0 and 1, or the test is skipped */

/* b->graph is made; fini it all with async_bench_end. */
void async_bench_begin(async_bench *b, const char *lanes, uint32_t slots, bool graphs);
void async_bench_begin_with(async_bench *b, const char *lanes, const spa_hardware_options *options);
/* On b->lanes. */
void async_bench_prepare(async_bench *b, const spa_hardware_options *options);
void async_bench_end(async_bench *b);

/* Runs b->config, audits the events. */
void async_bench_run(async_bench *b, spa_run_result *result);
/* The same, but it may fail. */
spa_status async_bench_try(async_bench *b, spa_error *why);
/* Every slot holds the answers of `ref` to its inputs. */
void async_bench_expect_answers(async_bench *b, const char *what, uint64_t seed);
/* Random lanes: operator by operator, or in runs. */
void async_bench_place(async_bench *b, uint64_t seed);

extern const spa_policy async_in_turn; /* operators in turn on lanes 0 and 1 */

#endif
