/* --ablate: each component switched off, against arithmetic by hand. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "experiments/ablate.h"
#include "tests/experiments/cli.h"

/* A machine on which 1 MAC takes 1 ns on either processor, a transfer 10 us whatever it moves, and
 * a launch 2 us of the host. Kernels slow each other down by half. */
static const char device_head[] =
    "[device]\nname = byhand\nsummary = SYNTHETIC\norigin = assumed\nmemory = shared\n"
    "default_mode = m\ndefault_stack = s\ndefault_lanes = cpu:0,gpu:0\n"
    "[processor cpu]\nrole = host\ncores = 0-0 # assumed: test\n"
    "[processor gpu]\nrole = accelerator\nstreams = 1 # assumed: test\n"
    "[mode m]\ncpu.clock_mhz = 1000 # assumed: test\ngpu.clock_mhz = 1000 # assumed: test\n"
    "dram_gbs = 1000000 # assumed: test\n"
    "[power m]\nidle_w = 5 # assumed: test\ncpu.idle_w = 1 # assumed: test\n"
    "gpu.idle_w = 1 # assumed: test\ncpu.core_w_per_ghz = 1 # assumed: test\n"
    "gpu.busy_w = 1 # assumed: test\n"
    "[reference]\ncpu.clock_mhz = 1000 # assumed: test\ngpu.clock_mhz = 1000 # assumed: test\n"
    "dram_gbs = 1000000 # assumed: test\n"
    "[contention]\ncpu.pressure = 1 # assumed: test\ncpu.slow_a = 0.5 # assumed: test\n"
    "cpu.slow_b = 0 # assumed: test\ngpu.pressure = 1 # assumed: test\n"
    "gpu.slow_a = 0.5 # assumed: test\ngpu.slow_b = 0 # assumed: test\n"
    "[calibration]\ns = m # assumed: test\n"
    "[stack s]\nsummary = SYNTHETIC\nblocking_sync = no\ncpu.async = no\ngpu.async = yes\n"
    "run_cv = 0.1 # assumed: test\n";
static const char device_tail[] =
    "[rates s cpu]\nbandwidth_gbs = 100000 # assumed: test\nnoise_cv = 0.1 # assumed: test\n"
    "conv.gmacs = 1 # assumed: test\nconv1x1.gmacs = 1 # assumed: test\n"
    "depthwise.gmacs = 1 # assumed: test\nlinear.gmacs = 1 # assumed: test\n"
    "matmul.gmacs = 1 # assumed: test\nelementwise.gops = 1 # assumed: test\n"
    "[rates s gpu]\nbandwidth_gbs = 100000 # assumed: test\nnoise_cv = 0.1 # assumed: test\n"
    "conv.gmacs = 1 # assumed: test\nconv1x1.gmacs = 1 # assumed: test\n"
    "depthwise.gmacs = 1 # assumed: test\nlinear.gmacs = 1 # assumed: test\n"
    "matmul.gmacs = 1 # assumed: test\nelementwise.gops = 1 # assumed: test\n"
    "[link s cpu gpu]\nzero_copy = yes\nlatency_us = 10 # assumed: test\nsync_cycles = 0 # "
    "assumed: test\n"
    "[link s gpu cpu]\nzero_copy = yes\nlatency_us = 10 # assumed: test\nsync_cycles = 0 # "
    "assumed: test\n";

static char device[200], graph[200];

/* `occupies`: launches of 2 us, on the host's lane; else they are free. */
static void write_device(bool occupies)
{
    char text[4000];
    int n = snprintf(text, sizeof text,
                     "%sdispatch_occupies_host = %s\ncpu.launch_cycles = 0 # assumed: test\n"
                     "gpu.launch_cycles = %d # assumed: test\n%s",
                     device_head, occupies ? "yes" : "no", occupies ? 2000 : 0, device_tail);
    snprintf(device, sizeof device, "%s/byhand.device", cli_folder());
    cli_write(device, text, (size_t)n);
}

static void write_graph(const char *rows, int n_operators)
{
    char text[2000];
    int n = snprintf(text, sizeof text,
                     "name,kind,inputs,out,attrs\n"
                     "byhand,graph,,,batch=1 dtype=fp32 operators=%d\n@0,input,,1x100,\n%s",
                     n_operators, rows);
    snprintf(graph, sizeof graph, "%s/byhand.graph.csv", cli_folder());
    cli_write(graph, text, (size_t)n);
}

/* One result of a comparison as it is without noise, or with `options`. */
static double result(const char *key, const char *policy, const char *options)
{
    json_t *d = cli_json("compare %s --device %s --policy %s --json --quiet %s", graph, device,
                         policy, options);
    json_t *run = json_array_get(json_object_get(d, "runs"), 0);
    json_t *r = json_array_get(json_object_get(run, "results"), 0);
    json_t *latency = json_object_get(r, "latency_ms");
    json_t *value = json_object_get(latency, key);
    double x = json_number_value(value ? value : json_object_get(r, key));
    json_decref(d);
    return x;
}

static double latency_us(const char *policy, const char *options)
{
    return result("mean", policy, options) * 1e3;
}

#define NEAR(a, b) cr_assert_float_eq(a, b, 1e-6, "%.9g is not %.9g", a, b)

/* Two linear layers of 100 x 100 = 10,000 MACs, 10 us each, one after the other on the GPU:
 * input 0..10, launches 0..2 and 2..4 hide behind it, kernels 10..20..30, output 30..40. Blocking:
 * the second launch waits for the first kernel, 20..22, its kernel 22..32, output 32..42. */
Test(ablate, overlap_switched_off_makes_launches_wait_for_kernels)
{
    write_device(true);
    write_graph("a,linear,@0,1x100,\nb,linear,a,1x100,\n", 2);
    NEAR(latency_us("gpu-only", "--noise=off"), 40);
    NEAR(latency_us("gpu-only", "--noise=off --ablate overlap"), 42);
}

/* Transfers: c needs a (GPU) and b (CPU, 20 us: 200 x 100). heft puts what it will; on the CPU
 * alone nothing overlaps anyway. */
Test(ablate, without_transfers_and_launches_there_is_nothing_to_overlap)
{
    write_device(true);
    write_graph("a,linear,@0,1x100,\nb,linear,a,1x100,\n", 2);
    NEAR(latency_us("cpu-only", "--noise=off"), 20);
    NEAR(latency_us("cpu-only", "--noise=off --ablate overlap"), 20);
}

/* Two layers of 1,000,000 MACs side by side, one on each processor. The CPU's runs from 0 on, the
 * GPU's from 10 on (its input): from then on both are 1.5 times slower. The CPU has 990 us left and
 * ends at 10 + 1485 = 1495; the GPU then has done 990 of 1000, ends at 1505, its output arrives at
 * 1515. Without contention: 10 + 1000 + 10 = 1020. */
Test(ablate, contention_switched_off_lets_kernels_run_as_if_alone)
{
    write_device(false);
    write_graph("a,linear,@0,1x10000,\nb,linear,@0,1x10000,\n", 2);
    NEAR(latency_us("heft", "--noise=off"), 1515);
    NEAR(latency_us("heft", "--noise=off --ablate contention"), 1020);
    NEAR(latency_us("heft", "--noise=off --contention=off"), 1020);
}

Test(ablate, noise_switched_off_leaves_the_same_time_each_time)
{
    write_device(true);
    write_graph("a,linear,@0,1x100,\nb,linear,a,1x100,\n", 2);
    cr_assert_gt(result("ci95", "cpu-only", "--reps 5"), 0);
    NEAR(latency_us("cpu-only", "--reps 5 --ablate noise"), 20);
    cr_assert_eq(result("ci95", "cpu-only", "--reps 5 --ablate noise"), 0);
}

/* greedy decides two operators, each costs its 75 cycles of the 1 GHz host: 0.15 us. */
Test(ablate, cost_switched_off_makes_decisions_free)
{
    write_device(true);
    write_graph("a,linear,@0,1x100,\nb,linear,a,1x100,\n", 2);
    NEAR(latency_us("greedy", "--noise=off"), 20.15);
    NEAR(latency_us("greedy", "--noise=off --ablate cost"), 20);
}

/* Predicted thresholds are what a predictor learned; without one the cuts are the paper's, and no
 * operator has 1e8 MACs: all on the host, 1000 + 1000 us. No file is read either. */
Test(ablate, predictor_switched_off_leaves_the_papers_thresholds)
{
    write_device(false);
    write_graph("a,linear,@0,1x10000,\nb,linear,@0,1x10000,\n", 2);
    NEAR(latency_us("threshold+predictor", "--noise=off --ablate predictor"), 2000);
    NEAR(latency_us("threshold+predictor", "--noise=off --ablate predictor"),
         latency_us("threshold", "--noise=off"));
    cli_result r =
        cli("compare %s --device %s --policy threshold+predictor --quiet", graph, device);
    cr_assert(strstr(r.out, "skipped: not trained for it"), "%s%s", r.out, r.err);
    cli_free(&r);
}

/* What a policy was trained with is not there any more: it acts without. */
Test(ablate, learned_policies_act_without_predictions)
{
    char predictor[200], actor[200];
    snprintf(predictor, sizeof predictor, "%s/p.thresholds", cli_folder());
    snprintf(actor, sizeof actor, "%s/p.actor", cli_folder());
    cli_result r =
        cli("train threshold+predictor:epochs=1:hidden=4 " TINY " " TINY_DEVICE " --quiet -o %s",
            predictor);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    r = cli("train ppo:envs=2 " TINY " " TINY_DEVICE " --quiet --steps 64 --thresholds %s -o %s",
            predictor, actor);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cli_free(&r);
    cr_assert_eq(unlink(predictor), 0);
    cli_expect_failure(1, "p.thresholds",
                       "compare " TINY " " TINY_DEVICE
                       " --quiet --policy ppo:model=%s:thresholds=%s",
                       actor, predictor);
    r = cli("compare " TINY " " TINY_DEVICE
            " --quiet --policy ppo:model=%s:thresholds=%s --ablate predictor",
            actor, predictor);
    cr_assert_eq(r.code, 0, "%s", r.err);
    cr_assert(strstr(r.out, "switched off: predictor"), "%s", r.out);
    cli_free(&r);
}

Test(ablate, names_are_checked_and_nearest_ones_suggested)
{
    write_device(true);
    write_graph("a,linear,@0,1x100,\n", 1);
    cli_expect_failure(2, "--ablate: unknown component 'overlop'; did you mean 'overlap'?",
                       "compare %s --device %s --ablate overlop", graph, device);
    cli_expect_failure(2, "--ablate: component 'noise' is named twice",
                       "simulate %s --device %s --policy dp --ablate noise,noise", graph, device);
}

Test(ablate, names_and_bits_are_the_same_thing)
{
    char text[SPA_ABLATE_TEXT];
    unsigned bits;
    cr_assert_eq(spa_ablate_parse("noise+predictor", &bits, NULL), SPA_OK);
    cr_assert_eq(bits, SPA_ABLATE_NOISE | SPA_ABLATE_PREDICTOR);
    cr_assert_str_eq(spa_ablate_text(bits, text), "predictor+noise"); /* one spelling */
    cr_assert_str_eq(spa_ablate_text(0, text), "none");
    cr_assert_str_eq(spa_ablate_text(127, text),
                     "predictor+contention+overlap+batching+sparsity+noise+cost");
    spa_error err;
    cr_assert_eq(spa_ablate_parse("noise+", &bits, &err), SPA_E_NOT_FOUND);
}

/* A request a second, far apart; batches of two: the first one of each waits 1 s for the second,
 * then both take what an input of two takes. Mean (1 s + 2 * that) / 2; switched off, what one
 * input takes. */
Test(ablate, batching_switched_off_serves_requests_one_by_one)
{
#define STREAM "--noise=off --scenario periodic --rate 1 --requests 10 "
    write_device(false);
    snprintf(graph, sizeof graph, "mobilenet_v3_small");
    double one = latency_us("cpu-only", "--noise=off");
    double two = latency_us("cpu-only", "--noise=off --batch 2");
    cr_assert(one < two && two < 1e6, "%g, %g", one, two);
    cr_assert_float_eq(latency_us("cpu-only", STREAM "--batcher fixed:size=2"), (1e6 + 2 * two) / 2,
                       0.01);
    cr_assert_float_eq(latency_us("cpu-only", STREAM "--batcher fixed:size=2 --ablate batching"),
                       one, 0.01);
}
