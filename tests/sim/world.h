/* Tiny worlds for the tests of sim/: a graph from a line of text, a cost table, a run with its
 * event log, always under the audit. */
#ifndef SPA_TESTS_SIM_WORLD_H
#define SPA_TESTS_SIM_WORLD_H

#include <criterion/criterion.h>
#include <string.h>
#include "base/rng.h"
#include "base/text.h"
#include "sim/audit.h"
#include "sim/engine.h"
#include "tests/base/check.h"
#include "tests/divide.h"

typedef struct sim_world {
    spa_graph graph;
    spa_costs costs;
    spa_schedule schedule; /* all on processor 0, any lane, graph order */
    spa_run_config config; /* this graph, table and schedule; no noise, no contention */
} sim_world;

/* Operators separated by ';', each a name followed by its inputs: other operators or "#0" .. "#3"
 * for graph inputs. "=v a" is a view of a, "!a" has a pulled output. The table: kernels 1 ns
 * everywhere, launches and transfers 0, processor 0 the host, one lane each, nobody asynchronous,
 * dispatch free. */
void sim_world_init(sim_world *w, uint32_t n_processors, const char *text);
void sim_world_fini(sim_world *w);
int64_t sim_lower_bound(const sim_world *w, bool splits);

/* Index of an operator by name. */
uint32_t sim_op(const sim_world *w, const char *name);
spa_op_cost *sim_cost(sim_world *w, const char *name, uint32_t processor);
void sim_kernel(sim_world *w, const char *name, uint32_t processor, int64_t ns);
/* Tensor of an operator, or "#0". */
void sim_transfer(sim_world *w, const char *tensor, uint32_t from, uint32_t to, int64_t ns);
void sim_all_transfers(sim_world *w, int64_t ns);
void sim_all_launches(sim_world *w, int32_t ns);
void sim_place(sim_world *w, const char *name, uint32_t processor, int8_t lane);
/* Gives tenths of an operator to a second processor. */
void sim_split(sim_world *w, const char *name, uint32_t second, uint32_t tenths);
/* Dispatch order: names separated by blanks. */
void sim_order(sim_world *w, const char *names);

typedef struct sim_run {
    spa_run_result result;
    spa_event *events;
    size_t n_events, capacity;
    spa_histogram latencies;
} sim_run;

/* Finishes the table, runs and audits. */
void sim_run_init(sim_run *run, sim_world *w);
/* The same of a configuration with programs; the engine is left for questions. */
void sim_run_programs(sim_run *run, const spa_run_config *config, spa_engine **engine);
void sim_run_fini(sim_run *run);
/* The same for a run that must fail; returns the status. */
spa_status sim_run_failing(sim_world *w, spa_error *err);

/* Appends to a sim_run; usable as spa_run_config.record. */
void sim_record(void *run, const spa_event *event);

/* Time of the only event of that kind for an operator (or tensor) of a request. */
int64_t sim_time(const sim_run *run, const sim_world *w, spa_event_kind kind, const char *name,
                 uint64_t request);
size_t sim_count(const sim_run *run, const sim_world *w, spa_event_kind kind, const char *name);

/* Time of the event of a part of an operator in request 0; -1 = there is none. */
int64_t sim_part_time(const sim_run *run, const sim_world *w, spa_event_kind kind, const char *name,
                      uint32_t tenths);

/* The events as text, one per line: "40 r0 kernel_begin a p1.0", transfers "p0>p1". */
void sim_log_text(const sim_run *run, const sim_world *w, spa_string *out);

/* Kernel of `name` in request 0 runs from `begin` to `end`. */
#define expect_kernel(run, w, name, begin, end)                                                    \
    do {                                                                                           \
        cr_assert_eq(sim_time(run, w, SPA_EV_KERNEL_BEGIN, name, 0), (begin),                      \
                     "%s begins at %lld, not %lld", name,                                          \
                     (long long)sim_time(run, w, SPA_EV_KERNEL_BEGIN, name, 0),                    \
                     (long long)(begin));                                                          \
        cr_assert_eq(sim_time(run, w, SPA_EV_KERNEL_END, name, 0), (end),                          \
                     "%s ends at %lld, not %lld", name,                                            \
                     (long long)sim_time(run, w, SPA_EV_KERNEL_END, name, 0), (long long)(end));   \
    } while (0)
#define expect_transfer(run, w, name, begin, end)                                                  \
    do {                                                                                           \
        cr_assert_eq(sim_time(run, w, SPA_EV_TRANSFER_BEGIN, name, 0), (begin));                   \
        cr_assert_eq(sim_time(run, w, SPA_EV_TRANSFER_END, name, 0), (end));                       \
    } while (0)

/* ---- random worlds -------------------------------------------------------------------------- */

typedef struct sim_random_options {
    bool contention;  /* shares, pressures and co-run slowdowns are set */
    bool noise;       /* some operators have a coefficient of variation */
    bool sync;        /* pulled outputs and blocking synchronisation may occur */
    bool serial;      /* a critical section or workers may occur */
    uint32_t max_ops; /* 0 = 24 */
    uint32_t max_requests;
    int64_t unit_ns;  /* all times are multiples of it; 0 = 1 */
    bool fixed_lanes; /* the schedule names every lane */
    bool splits;      /* some operators are split */
} sim_random_options;

/* A world that depends on the seed and the options alone: a random graph with views, 1 .. 4
 * processors of 1 .. 3 lanes, asynchronous or not, either way of dispatching, a random legal
 * schedule with a random topological order, a random closed loop. */
void sim_world_random(sim_world *w, uint64_t seed, const sim_random_options *options);

/* The same world with its operators renumbered (another topological numbering); the dispatch order
 * names the same operators. number[old] = new (may be NULL). */
void sim_world_renumbered(sim_world *to, const sim_world *from, uint64_t seed, uint32_t *number);

#endif
