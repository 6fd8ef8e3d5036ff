/* What batchers choose, apart from any run. */
#include <math.h>
#include "base/rng.h"
#include "sim/batcher.h"
#include "tests/oom.h"
#include "tests/sim/world.h"

/* L = 10, 12, 16, 24 ms at 1, 2, 4, 8: 8 ms and 2 ms per sample. M = 100, 120, 160, 240 MB. */
static spa_batch_table linear_table(void)
{
    spa_batch_table t = {.count = 4, .sizes = {1, 2, 4, 8}, .sparsity = 0.3, .intensity = 1e7};
    for (uint32_t i = 0; i < t.count; i++) {
        t.latency_ns[i] = 8000000 + 2000000 * (int64_t)t.sizes[i];
        t.memory_bytes[i] = 80000000 + 20000000 * (int64_t)t.sizes[i];
    }
    return t;
}

static spa_algorithm2 algorithm(void)
{
    return (spa_algorithm2){.start = 6,
                            .step = 1,
                            .eps_ms = 1e-3,
                            .latency_ms = 50,
                            .memory_mb = 4096,
                            .sparsity = 0.4,
                            .intensity = 1e8,
                            .iterations = 100,
                            .max = 8};
}

/* The slope is 2 ms per sample everywhere: B = 6, 4, 2, then 0, which is no batch: 1. There L
 * rests: one more step changes nothing. */
Test(sim_batchers, algorithm_2_walks_down_the_slope_to_a_batch_of_one)
{
    spa_batch_table t = linear_table();
    spa_algorithm2 p = algorithm();
    double trace[101];
    uint32_t steps;
    cr_assert_eq(spa_algorithm2_choose(&t, &p, trace, &steps), 1);
    static const double expected[] = {6, 4, 2, 1, 1};
    cr_assert_eq(steps, 4);
    for (int i = 0; i < 5; i++) cr_assert_float_eq(trace[i], expected[i], 1e-12, "step %d", i);
}

/* eps = 5 ms: the first step changes L by 2 * 2 = 4 ms, and is the last: B = 4. */
Test(sim_batchers, algorithm_2_then_doubles_halves_and_bounds_as_printed)
{
    spa_batch_table t = linear_table();
    spa_algorithm2 p = algorithm();
    uint32_t steps;
    p.eps_ms = 5;
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, &steps), 4);
    cr_assert_eq(steps, 1);
    t.intensity = 2e8; /* above its threshold: halved */
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, NULL), 2);
    t.sparsity = 0.5; /* above its threshold comes first: doubled */
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, NULL), 8);
    p.memory_mb = 159; /* M(4) = 160: broken, but L(4) = 16 is not: AND, so doubled all the same */
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, NULL), 8);
    p.latency_ms = 15; /* both are broken: halved */
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, NULL), 2);
    p.latency_ms = 50;
    p.memory_mb = 7; /* a bound in MB becomes one in samples: min(8, 7) */
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, NULL), 7);
    t.sparsity = NAN; /* not known: not above any threshold */
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, NULL), 2);
}

/* Without a bound it need not end: an eps of 0 and a slope so small that 1 is not reached. */
Test(sim_batchers, algorithm_2_ends_after_its_iterations)
{
    spa_batch_table t = linear_table();
    spa_algorithm2 p = algorithm();
    uint32_t steps;
    p.eps_ms = 0;
    p.step = 1e-3;
    p.iterations = 7;
    /* 6 - 7 * 0.002 = 5.986 */
    cr_assert_eq(spa_algorithm2_choose(&t, &p, NULL, &steps), 5);
    cr_assert_eq(steps, 7);
}

static uint32_t brute_force(const spa_batch_table *t, uint32_t max, int64_t latency_ns,
                            int64_t memory_bytes)
{
    uint32_t best = 0;
    double least = INFINITY;
    for (uint32_t b = 1; b <= max && b <= t->sizes[t->count - 1]; b++) {
        uint32_t i = spa_batch_table_find(t, b);
        double collect_s = t->rate_hz > 0 ? (b - 1) / t->rate_hz : 0;
        if (t->memory_bytes[i] > memory_bytes) continue;
        if (collect_s > (double)(latency_ns - t->latency_ns[i]) * 1e-9) continue;
        if (t->latency_ns[i] > latency_ns) continue;
        double each = (double)t->latency_ns[i] / b;
        if (each < least) least = each, best = b;
    }
    return best;
}

Test(sim_batchers, bounded_finds_what_trying_every_batch_finds)
{
    spa_rng rng;
    uint32_t bounded = 0, none = 0;
    spa_rng_init(&rng, 3, "bounded");
    for (int trial = 0; trial < 4000; trial++) {
        spa_batch_table t = {.count = 1 + (uint32_t)spa_rng_below(&rng, 7)};
        int64_t latency = 0;
        for (uint32_t i = 0; i < t.count; i++) {
            t.sizes[i] = 1u << i;
            latency += 1 + (int64_t)spa_rng_below(&rng, 20000000);
            t.latency_ns[i] = latency;
            t.memory_bytes[i] = (int64_t)spa_rng_below(&rng, 1000) * (i + 1);
        }
        t.rate_hz = trial % 3 ? 50 + (double)spa_rng_below(&rng, 5000) : 0;
        uint32_t max = 1 + (uint32_t)spa_rng_below(&rng, 80);
        int64_t most_ns = 1 + (int64_t)spa_rng_below(&rng, 60000000);
        int64_t most_bytes = (int64_t)spa_rng_below(&rng, 6000);
        uint32_t found = spa_bounded_choose(&t, max, most_ns, most_bytes);
        cr_assert_eq(found, brute_force(&t, max, most_ns, most_bytes), "trial %d", trial);
        none += found == 0;
        bounded += found > 1 && found < max;
    }
    cr_assert(none > 100 && bounded > 100, "%u none, %u bounded", none, bounded);
}

static void *prepared(const char *text, const spa_batcher **batcher, const spa_batch_table *table)
{
    spa_param_values values;
    void *self = NULL;
    expect_ok(spa_batcher_parse(text, batcher, &values, err));
    expect_ok((*batcher)->create(&self, &values, err));
    if ((*batcher)->prepare) expect_ok((*batcher)->prepare(self, table, err));
    return self;
}

static spa_batch_choice ask(const spa_batcher *b, const void *self, int64_t now, int64_t oldest,
                            uint64_t waiting, bool last)
{
    spa_batch_view view = {.now_ns = now, .oldest_ns = oldest, .waiting = waiting, .last = last};
    spa_batch_choice choice;
    b->decide(self, &view, &choice);
    return choice;
}

Test(sim_batchers, fixed_and_timeout_close_by_size_by_time_and_at_the_end)
{
    const spa_batcher *b;
    void *self = prepared("fixed:size=4", &b, NULL);
    cr_assert_eq(b->largest(self), 4);
    cr_assert_eq(ask(b, self, 100, 0, 3, false).close, 0);
    cr_assert_eq(ask(b, self, 100, 0, 3, false).until_ns, INT64_MAX);
    cr_assert_eq(ask(b, self, 100, 0, 9, false).close, 4);
    cr_assert_eq(ask(b, self, 100, 0, 3, true).close, 3);
    b->destroy(self);
    self = prepared("timeout:size=4:ms=2", &b, NULL);
    cr_assert_eq(ask(b, self, 1000000, 500000, 3, false).close, 0);
    cr_assert_eq(ask(b, self, 1000000, 500000, 3, false).until_ns, 2500000);
    cr_assert_eq(ask(b, self, 2500000, 500000, 3, false).close, 3);
    cr_assert_eq(ask(b, self, 500000, 500000, 4, false).close, 4);
    b->destroy(self);
}

/* The bound is 30 ms: 4 samples (16 ms) that began to wait at 5 ms must start at 5 + 30 - 16 = 19
 * ms; with a fifth the run takes 24 ms: at 11 ms. All 8 are the target: 24/8 = 3 ms per sample. */
Test(sim_batchers, bounded_waits_as_long_as_the_oldest_sample_can_be_served_in_time)
{
    const spa_batcher *b;
    spa_batch_table t = linear_table();
    void *self = prepared("bounded:max=8:latency=30", &b, &t);
    cr_assert_eq(b->target(self), 8);
    spa_batch_choice c = ask(b, self, 6000000, 5000000, 4, false);
    cr_assert_eq(c.close, 0);
    cr_assert_eq(c.until_ns, 19000000);
    cr_assert_eq(ask(b, self, 19000000, 5000000, 4, false).close, 4);
    cr_assert_eq(ask(b, self, 6000000, 5000000, 5, false).until_ns, 11000000);
    cr_assert_eq(ask(b, self, 6000000, 5000000, 11, false).close, 8);
    b->destroy(self);
}

Test(sim_batchers, chunks_are_of_attention_and_of_activations)
{
    const spa_batcher *b;
    spa_batch_table t = linear_table();
    uint32_t attention, activation;
    void *self = prepared("bounded:max=8:chunks=32/8", &b, &t);
    b->chunks(self, &attention, &activation);
    cr_assert_eq(attention, 32);
    cr_assert_eq(activation, 8);
    cr_assert_eq(spa_batch_chunk(SPA_OP_MATMUL, 32, 8), 32);
    cr_assert_eq(spa_batch_chunk(SPA_OP_SOFTMAX, 32, 8), 32);
    cr_assert_eq(spa_batch_chunk(SPA_OP_GELU, 32, 8), 8);
    cr_assert_eq(spa_batch_chunk(SPA_OP_CONV, 32, 8), 0);
    b->destroy(self);
    static const char *const wrong[] = {"fixed:chunks=32", "fixed:chunks=3/8", "fixed:chunks=x/8",
                                        "timeout:chunks=8/1024", "sparoa:chunks=/8"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        spa_param_values values;
        spa_error why = {0};
        expect_ok(spa_batcher_parse(wrong[i], &b, &values, err));
        cr_assert_eq(b->create(&self, &values, &why), SPA_E_PARSE, "%s", wrong[i]);
        cr_assert_not_null(strstr(why.message, "as in chunks=32/8"), "%s", why.message);
    }
}

static void expect_refused(const char *text, const char *part)
{
    const spa_batcher *b;
    spa_param_values values;
    spa_error why = {0};
    cr_assert_neq(spa_batcher_parse(text, &b, &values, &why), SPA_OK, "%s", text);
    cr_assert_not_null(strstr(why.message, part), "%s: %s", text, why.message);
}

Test(sim_batchers, names_and_parameters_that_do_not_exist_are_errors_with_a_cure)
{
    const spa_batcher *b;
    spa_param_values values;
    spa_error why = {0};
    void *self = NULL;
    spa_batch_table t = linear_table();
    expect_refused("fixd:size=4", "did you mean 'fixed'");
    expect_refused("fixed:sise=4", "size");
    expect_refused("fixed:size=0", "size");
    expect_refused("fixed:size=513", "512");
    expect_refused("timeout:ms=x", "ms");
    expect_ok(spa_batcher_parse("sparoa:start=9:max=4", &b, &values, err));
    cr_assert_eq(b->create(&self, &values, &why), SPA_E_RANGE);
    cr_assert_not_null(strstr(why.message, "start=9 is above max=4"), "%s", why.message);
    expect_ok(spa_batcher_parse("bounded:latency=5", &b, &values, err));
    expect_ok(b->create(&self, &values, err));
    cr_assert_eq(b->prepare(self, &t, &why), SPA_E_UNSUPPORTED);
    cr_assert_not_null(strstr(why.message, "one sample alone takes 10 ms"), "%s", why.message);
    b->destroy(self);
}

Test(sim_batchers, every_batcher_reports_a_failing_allocation)
{
    size_t count;
    const spa_batcher *const *all = spa_batchers(&count);
    cr_assert_eq(count, 5);
    for (size_t i = 0; i < count; i++) {
        spa_param_values values;
        void *self = NULL;
        cr_assert_eq(all[i]->abi, SPA_BATCHER_ABI);
        cr_assert_eq((all[i]->create == NULL), (all[i]->decide == NULL));
        if (!all[i]->create) continue;
        spa_params_defaults(all[i]->params, all[i]->n_params, &values);
        oom_fail_at(0);
        cr_assert_eq(all[i]->create(&self, &values, NULL), SPA_E_NOMEM, "%s", all[i]->name);
        oom_off();
        cr_assert_null(self);
    }
}

/* Tensors are four floats, 16 bytes. x -> a -> b, and a -> v (a view) -> c, d = b + c. Live at each
 * step: a: x, a; b: a, b (x is gone); v: nothing new; c: a, b, c; d: b, c, d (a is gone). Peak 48.
 */
Test(sim_batchers, a_footprint_is_the_largest_set_of_live_tensors_and_all_weights)
{
    sim_world w;
    int64_t bytes;
    sim_world_init(&w, 1, "a #0;b a;=v a;c v;d b c");
    w.graph.n_graph_inputs = 1;
    w.graph.ops[0].bytes_weight = 1000;
    w.graph.ops[4].bytes_weight = 500;
    expect_ok(spa_graph_footprint(&w.graph, &bytes, err));
    cr_assert_eq(bytes, 1500 + 48);
    oom_fail_at(0);
    cr_assert_eq(spa_graph_footprint(&w.graph, &bytes, NULL), SPA_E_NOMEM);
    oom_off();
    sim_world_fini(&w);
}
