/* The C interface (experiments/sparoa.h): the same answers as the program, checks, versions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/sparoa.h"
#include "tests/experiments/cli.h"
#include "tests/oom.h"

#define TINY_FILE "tests/data/tiny.device"

static sparoa *open_library(void)
{
    sparoa *lib;
    sparoa_error err = {0};
    cr_assert_eq(sparoa_open(&lib, NULL, &err), SPAROA_OK, "%s", err.message);
    return lib;
}

static const char *const tiny[] = {TINY}, *const tiny_device[] = {TINY_FILE};

static sparoa_results *compare(sparoa *lib, const char *const *policies, size_t n,
                               const sparoa_options *options)
{
    sparoa_results *results;
    sparoa_error err = {0};
    cr_assert_eq(sparoa_compare(lib, tiny, 1, tiny_device, 1, policies, n, options, &results, &err),
                 SPAROA_OK, "%s", err.message);
    return results;
}

static sparoa_row row_of(const sparoa_results *results, size_t i)
{
    sparoa_row row = {.struct_size = sizeof row};
    sparoa_error err = {0};
    cr_assert_eq(sparoa_results_row(results, i, &row, &err), SPAROA_OK, "%s", err.message);
    return row;
}

Test(api, says_its_version_and_what_there_is)
{
    sparoa *lib = open_library();
    const char *const *names;
    cr_assert_eq(sparoa_api_version(), SPAROA_API_VERSION);
    cr_assert_gt(strlen(sparoa_version()), 0);
    cr_assert_eq(sparoa_names(lib, SPAROA_MODELS, &names, NULL), SPAROA_OK);
    cr_assert_str_eq(names[0], "resnet18");
    bool found = false;
    cr_assert_eq(sparoa_names(lib, SPAROA_DEVICES, &names, NULL), SPAROA_OK);
    for (; *names; names++) found |= strcmp(*names, "agx-orin") == 0;
    cr_assert(found);
    cr_assert_eq(sparoa_names(lib, (sparoa_kind)99, &names, NULL), SPAROA_E_INVALID);
    sparoa_close(lib);
    sparoa_close(NULL);
}

Test(api, a_folder_without_data_is_named)
{
    sparoa *lib;
    sparoa_error err;
    cr_assert_eq(sparoa_open(&lib, "/nowhere", &err), SPAROA_E_NOT_FOUND);
    cr_assert_eq(err.status, SPAROA_E_NOT_FOUND);
    cr_assert(strstr(err.message, "'/nowhere'"), "%s", err.message);
    cr_assert_null(lib);
}

/* ResNet-18 has 11,689,512 parameters; conv1 is 7x7 over 3 channels to 64 of 112x112:
 * 64 * 112 * 112 * 147 = 118,013,952 MACs, twice that for two images. */
Test(api, describes_a_model_and_its_operators)
{
    sparoa *lib = open_library();
    sparoa_model *model;
    sparoa_error err = {0};
    sparoa_model_info info = {.struct_size = sizeof info};
    sparoa_operator op = {.struct_size = sizeof op};
    cr_assert_eq(sparoa_model_load(lib, "resnet18", 2, "fp16", &model, &err), SPAROA_OK, "%s",
                 err.message);
    cr_assert_eq(sparoa_model_describe(model, &info, &err), SPAROA_OK, "%s", err.message);
    cr_assert_str_eq(info.name, "resnet18");
    cr_assert_str_eq(info.dtype, "fp16");
    cr_assert_eq(info.batch, 2);
    cr_assert_eq(info.parameters, 11689512);
    cr_assert_eq(sparoa_model_operator(model, 0, &op, &err), SPAROA_OK);
    cr_assert_str_eq(op.name, "conv1");
    cr_assert_str_eq(op.kind, "conv");
    cr_assert_eq(op.macs, 2 * 118013952LL);
    cr_assert_eq(sparoa_model_operator(model, info.n_operators, &op, &err), SPAROA_E_RANGE);
    sparoa_model_free(model);
    cr_assert_eq(sparoa_model_load(lib, "resnet19", 0, NULL, &model, &err), SPAROA_E_USAGE);
    cr_assert(strstr(err.message, "did you mean 'resnet18'?"), "%s", err.message);
    cr_assert_eq(sparoa_model_load(lib, "resnet18", 5000, NULL, &model, &err), SPAROA_E_USAGE);
    cr_assert(strstr(err.message, "--batch"), "%s", err.message);
    sparoa_close(lib);
}

Test(api, describes_a_device_and_a_scenario)
{
    sparoa *lib = open_library();
    sparoa_device *device;
    sparoa_scenario *scenario;
    sparoa_error err = {0};
    sparoa_device_info d = {.struct_size = sizeof d};
    sparoa_scenario_info s = {.struct_size = sizeof s};
    cr_assert_eq(sparoa_device_load(lib, "agx-orin", &device, &err), SPAROA_OK, "%s", err.message);
    cr_assert_eq(sparoa_device_describe(device, &d, &err), SPAROA_OK);
    cr_assert_str_eq(d.default_mode, "MAXN");
    cr_assert_eq(d.n_processors, 2);
    cr_assert_str_eq(d.processors[1], "gpu");
    sparoa_device_free(device);
    cr_assert_eq(sparoa_device_load(lib, "agx-orim", &device, &err), SPAROA_E_NOT_FOUND);
    cr_assert(strstr(err.message, "agx-orin"), "%s", err.message);
    cr_assert_eq(sparoa_scenario_load(lib, "closed", &scenario, &err), SPAROA_OK, "%s",
                 err.message);
    cr_assert_eq(sparoa_scenario_describe(scenario, &s, &err), SPAROA_OK);
    cr_assert_str_eq(s.name, "closed");
    cr_assert_gt(s.requests, 1);
    sparoa_scenario_free(scenario);
    sparoa_close(lib);
}

static void drop_wall_clock(json_t *document)
{
    json_t *rows = json_object_get(json_array_get(json_object_get(document, "runs"), 0), "results");
    for (size_t i = 0; i < json_array_size(rows); i++)
        json_object_del(json_array_get(rows, i), "plan_host_ms");
}

Test(api, compare_gives_what_the_program_prints)
{
    static const char *const policies[] = {"cpu-only", "heft,greedy", "threshold:sparsity=0.3"};
    sparoa *lib = open_library();
    sparoa_options options;
    const char *text, *more[] = {"--missing=model"};
    sparoa_options_init(&options, sizeof options);
    options.reps = 4;
    options.seed = 9;
    options.concurrency = 3;
    options.jobs = 2;
    options.policy_cost = 0;
    options.more = more;
    options.n_more = 1;
    sparoa_results *results = compare(lib, policies, 3, &options);
    cr_assert_eq(sparoa_results_json(results, &text, NULL), SPAROA_OK);
    json_t *ours = json_loads(text, 0, NULL);
    json_t *theirs = cli_json("compare " TINY " " TINY_DEVICE
                              " --policy cpu-only,heft,greedy,threshold:sparsity=0.3 --reps 4 "
                              "--seed 9 --concurrency 3 --policy-cost off --json");
    drop_wall_clock(ours);
    drop_wall_clock(theirs);
    cr_assert(json_equal(ours, theirs));
    json_t *first = json_array_get(
        json_object_get(json_array_get(json_object_get(ours, "runs"), 0), "results"), 0);
    sparoa_row row = row_of(results, 0);
    cr_assert_eq(sparoa_results_count(results), 4);
    cr_assert_str_eq(row.policy, "cpu-only");
    cr_assert_eq(row.latency_ms,
                 json_number_value(json_object_get(json_object_get(first, "latency_ms"), "mean")));
    cr_assert_eq(row.reps, 4);
    cr_assert_eq(sparoa_results_row(results, 4, &row, NULL), SPAROA_E_RANGE);
    json_decref(ours);
    json_decref(theirs);
    sparoa_results_free(results);
    sparoa_close(lib);
}

Test(api, a_skipped_row_has_a_reason_and_no_numbers)
{
    static const char *const policies[] = {"exhaustive:limit=2"};
    sparoa *lib = open_library();
    sparoa_results *results = compare(lib, policies, 1, NULL);
    sparoa_row row = row_of(results, 0);
    cr_assert_not_null(row.skipped);
    cr_assert(strstr(row.skipped, "exhaustive"), "%s", row.skipped);
    cr_assert(isnan(row.latency_ms) && isnan(row.energy_mj) && isnan(row.gap));
    sparoa_results_free(results);
    sparoa_close(lib);
}

static void expect_fault(const sparoa_options *options, sparoa_status status, const char *says)
{
    static const char *const policies[] = {"heft"};
    sparoa *lib = open_library();
    sparoa_results *results;
    sparoa_error err = {0};
    cr_assert_eq(sparoa_compare(lib, tiny, 1, tiny_device, 1, policies, 1, options, &results, &err),
                 status, "status %d: %s", (int)err.status, err.message);
    cr_assert(strstr(err.message, says), "no '%s' in: %s", says, err.message);
    cr_assert_null(results);
    sparoa_close(lib);
}

static sparoa_options with_more(const char *const *word)
{
    sparoa_options o;
    sparoa_options_init(&o, sizeof o);
    o.more = word;
    o.n_more = 1;
    return o;
}

Test(api, wrong_options_are_refused_as_on_the_command_line)
{
    static const char *const chart[] = {"--chart=x.svg"}, *const json[] = {"--json"};
    static const char *const model[] = {"resnet18"}, *const typo[] = {"--time-limt=3"};
    sparoa_options o = with_more(typo);
    expect_fault(&o, SPAROA_E_USAGE, "did you mean '--time-limit'?");
    o = with_more(chart);
    expect_fault(&o, SPAROA_E_USAGE, "options that write files or print are for the program");
    o = with_more(json);
    expect_fault(&o, SPAROA_E_USAGE, "options that write files or print are for the program");
    o = with_more(model);
    expect_fault(&o, SPAROA_E_USAGE, "'resnet18' is no further option");
    sparoa_options_init(&o, sizeof o);
    o.objective = "speed";
    expect_fault(&o, SPAROA_E_USAGE, "--objective");
    sparoa_options_init(&o, sizeof o);
    o.reps = -3;
    expect_fault(&o, SPAROA_E_USAGE, "--reps");
}

Test(api, names_that_are_missing_are_refused)
{
    static const char *const none[] = {NULL};
    sparoa *lib = open_library();
    sparoa_results *results;
    sparoa_error err = {0};
    cr_assert_eq(sparoa_compare(lib, NULL, 0, tiny_device, 1, NULL, 0, NULL, &results, &err),
                 SPAROA_E_USAGE);
    cr_assert(strstr(err.message, "a model is needed"));
    cr_assert_eq(sparoa_compare(lib, none, 1, tiny_device, 1, NULL, 0, NULL, &results, &err),
                 SPAROA_E_INVALID);
    cr_assert_eq(sparoa_compare(lib, tiny, 1, none, 1, NULL, 0, NULL, &results, &err),
                 SPAROA_E_INVALID);
    cr_assert_eq(sparoa_compare(lib, tiny, 1, NULL, 0, NULL, 0, NULL, &results, &err),
                 SPAROA_E_USAGE);
    sparoa_close(lib);
}

/* A program compiled before a structure grew gets the members that it knows and no more. */
Test(api, structures_may_be_those_of_an_earlier_version)
{
    sparoa *lib = open_library();
    static const char *const policies[] = {"heft"};
    struct {
        sparoa_row row;
        char guard[16];
    } small;
    memset(&small, 0x5a, sizeof small);
    small.row.struct_size = offsetof(sparoa_row, p95_ms);
    sparoa_results *results = compare(lib, policies, 1, NULL);
    cr_assert_eq(sparoa_results_row(results, 0, &small.row, NULL), SPAROA_OK);
    cr_assert_gt(small.row.p50_ms, 0);
    cr_assert_eq(((unsigned char *)&small.row.p95_ms)[0], 0x5a);
    cr_assert_eq(small.row.struct_size, offsetof(sparoa_row, p95_ms));

    sparoa_options old;
    sparoa_options_init(&old, offsetof(sparoa_options, noise));
    cr_assert_eq(old.struct_size, offsetof(sparoa_options, noise));
    old.reps = 2;
    sparoa_results *again = compare(lib, policies, 1, &old);
    cr_assert_eq(row_of(again, 0).reps, 2);
    sparoa_results_free(again);
    sparoa_results_free(results);
    sparoa_close(lib);
}

Test(api, structures_of_a_later_version_or_without_a_size_are_refused)
{
    static const char *const policies[] = {"heft"};
    sparoa *lib = open_library();
    sparoa_error err;
    sparoa_row row = {.struct_size = sizeof row + 8};
    sparoa_results *results = compare(lib, policies, 1, NULL);
    cr_assert_eq(sparoa_results_row(results, 0, &row, &err), SPAROA_E_UNSUPPORTED);
    row.struct_size = 0;
    cr_assert_eq(sparoa_results_row(results, 0, &row, &err), SPAROA_E_INVALID);
    cr_assert(strstr(err.message, "struct_size is not set"));
    sparoa_results_free(results);
    sparoa_close(lib);
    expect_fault(&(sparoa_options){0}, SPAROA_E_INVALID, "struct_size is not set");
}

Test(api, simulate_tells_what_happened_when)
{
    sparoa *lib = open_library();
    sparoa_results *results;
    sparoa_error err = {0};
    sparoa_interval v = {.struct_size = sizeof v};
    size_t kernels = 0, requests = 0;
    int64_t last_ns = 0;
    sparoa_options options;
    sparoa_options_init(&options, sizeof options);
    options.noise = 0;
    cr_assert_eq(sparoa_simulate(lib, TINY, TINY_FILE, "heft", &options, &results, &err), SPAROA_OK,
                 "%s", err.message);
    for (size_t i = 0; i < sparoa_results_n_intervals(results); i++) {
        cr_assert_eq(sparoa_results_interval(results, i, &v, &err), SPAROA_OK);
        cr_assert_geq(v.end_ns, v.begin_ns);
        kernels += v.kind == SPAROA_INTERVAL_KERNEL && v.op && v.processor;
        if (v.kind == SPAROA_INTERVAL_REQUEST) requests++, last_ns = v.end_ns - v.begin_ns;
    }
    cr_assert_eq(requests, 1);
    cr_assert_gt(kernels, 2);
    cr_assert_float_eq(row_of(results, 0).latency_ms, (double)last_ns * 1e-6, 1e-12);
    sparoa_results_free(results);
    cr_assert_eq(sparoa_simulate(lib, TINY, TINY_FILE, "heft,dp", NULL, &results, &err),
                 SPAROA_E_USAGE);
    sparoa_close(lib);
}

Test(api, plugins_come_along)
{
    char path[1024];
    const char *const files[] = {path}, *const policies[] = {"good"};
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    cr_assert_gt(n, 0);
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, "plugin_good.so");
    sparoa *lib = open_library();
    sparoa_options options;
    sparoa_options_init(&options, sizeof options);
    options.plugins = files;
    options.n_plugins = 1;
    options.isolate = 1;
    sparoa_results *results = compare(lib, policies, 1, &options);
    cr_assert_gt(row_of(results, 0).latency_ms, 0);
    sparoa_results_free(results);
    sparoa_close(lib);
}

/* ---- the environment --------------------------------------------------------------------------
 */

static sparoa_environment *make_environment(sparoa *lib, const sparoa_environment_options *own)
{
    sparoa_environment *e;
    sparoa_error err = {0};
    cr_assert_eq(sparoa_environment_new(lib, tiny, 1, tiny_device, 1, NULL, own, &e, &err),
                 SPAROA_OK, "%s", err.message);
    return e;
}

/* Plays an episode of environment 0 on the last slot possible; its reward. */
static double play(sparoa_environment *e, int64_t seed)
{
    float obs[512], reward;
    uint8_t mask[8], terminated = 0, truncated = 0;
    double total = 0;
    cr_assert_leq(sparoa_environment_n_obs(e), 512);
    cr_assert_leq(sparoa_environment_n_actions(e), 8);
    cr_assert_eq(sparoa_environment_begin(e, 0, seed, obs, mask, NULL), SPAROA_OK);
    while (!terminated) {
        uint32_t action = (uint32_t)sparoa_environment_n_actions(e) - 1;
        while (!mask[action]) action--;
        cr_assert_eq(sparoa_environment_decide(e, 0, &action, obs, mask, &reward, &terminated,
                                               &truncated, NULL),
                     SPAROA_OK);
        total += (double)reward;
    }
    return total;
}

/* The reward of an episode is minus its value over that of the best single processor
 * (docs/environment.md, Reward). */
Test(api_environment, an_episode_pays_what_it_came_to_and_repeats_by_its_seed)
{
    sparoa *lib = open_library();
    sparoa_environment *e = make_environment(lib, NULL);
    sparoa_episode episode = {.struct_size = sizeof episode};
    cr_assert_eq(sparoa_environment_last(e, 0, &episode, NULL), SPAROA_OK);
    cr_assert(episode.steps == 0 && isnan(episode.value) && !episode.model);
    double total = play(e, 3), next = play(e, -1);
    cr_assert_eq(sparoa_environment_last(e, 0, &episode, NULL), SPAROA_OK);
    cr_assert_gt(episode.steps, 0);
    cr_assert_float_eq(next, -episode.value / episode.single, 1e-5);
    cr_assert_not_null(episode.model);
    cr_assert_float_neq(total, next, 1e-12); /* other noise */
    cr_assert_float_eq(play(e, 3), total, 0);
    sparoa_environment_free(e);
    sparoa_close(lib);
}

Test(api_environment, many_are_stepped_at_once_and_reset_by_themselves)
{
    enum { N = 3 };
    sparoa *lib = open_library();
    sparoa_environment_options own;
    sparoa_environment_options_init(&own, sizeof own);
    own.n_envs = N;
    own.continuous = 1;
    own.max_steps = 2;
    sparoa_environment *e = make_environment(lib, &own);
    size_t n_obs = sparoa_environment_n_obs(e), n_actions = sparoa_environment_n_actions(e);
    float *obs = calloc(N * n_obs, sizeof *obs), reward[N], actions[N] = {-1, -1, -1};
    uint8_t *mask = calloc(N, n_actions), terminated[N], truncated[N];
    cr_assert(obs && mask);
    cr_assert_eq(sparoa_environment_n_envs(e), N);
    cr_assert_eq(sparoa_environment_reset(e, obs, mask, NULL), SPAROA_OK);
    for (int k = 1; k <= 4; k++) { /* cut after every second decision */
        cr_assert_eq(
            sparoa_environment_step(e, actions, obs, mask, reward, terminated, truncated, NULL),
            SPAROA_OK);
        for (size_t i = 0; i < N; i++) cr_assert_eq(truncated[i] != 0, k % 2 == 0);
    }
    cr_assert_not_null(sparoa_environment_final_obs(e, 2));
    cr_assert_null(sparoa_environment_final_obs(e, N));
    cr_assert_eq(sparoa_environment_begin(e, N, 1, obs, mask, NULL), SPAROA_E_RANGE);
    free(obs);
    free(mask);
    sparoa_environment_free(e);
    sparoa_close(lib);
}

Test(api_environment, actions_without_meaning_and_wrong_options_are_refused)
{
    sparoa *lib = open_library();
    sparoa_environment *e = make_environment(lib, NULL), *none;
    float obs[512], reward;
    uint8_t mask[8], ended, cut;
    uint32_t action = 77;
    sparoa_error err = {0};
    cr_assert_eq(sparoa_environment_begin(e, 0, 1, obs, mask, &err), SPAROA_OK);
    cr_assert_eq(sparoa_environment_decide(e, 0, &action, obs, mask, &reward, &ended, &cut, &err),
                 SPAROA_E_ILLEGAL);
    sparoa_environment_free(e);
    sparoa_environment_options own;
    sparoa_environment_options_init(&own, sizeof own);
    own.shaping = "pat";
    cr_assert_neq(sparoa_environment_new(lib, tiny, 1, tiny_device, 1, NULL, &own, &none, &err),
                  SPAROA_OK);
    cr_assert(strstr(err.message, "did you mean 'path'?"), "%s", err.message);
    own.shaping = "path";
    own.n_envs = 0;
    cr_assert_eq(sparoa_environment_new(lib, tiny, 1, tiny_device, 1, NULL, &own, &none, &err),
                 SPAROA_E_RANGE);
    cr_assert_null(none);
    sparoa_close(lib);
}

Test(api, everything_fails_cleanly_when_any_allocation_fails)
{
    static const char *const policies[] = {"heft"};
    for (long n = 0, whole = 0; whole < 1; n++) {
        sparoa *lib = NULL;
        sparoa_results *results = NULL, *run = NULL;
        sparoa_environment *e = NULL;
        sparoa_model *model = NULL;
        sparoa_options options;
        sparoa_options_init(&options, sizeof options);
        options.reps = 1;
        oom_fail_at(n);
        sparoa_status status = sparoa_open(&lib, NULL, NULL);
        if (!status) status = sparoa_model_load(lib, TINY, 0, NULL, &model, NULL);
        if (!status)
            status =
                sparoa_compare(lib, tiny, 1, tiny_device, 1, policies, 1, &options, &results, NULL);
        if (!status) status = sparoa_simulate(lib, TINY, TINY_FILE, "greedy", &options, &run, NULL);
        if (!status)
            status = sparoa_environment_new(lib, tiny, 1, tiny_device, 1, &options, NULL, &e, NULL);
        whole = !oom_failed();
        oom_off();
        cr_assert(status == SPAROA_OK || (!whole && status == SPAROA_E_NOMEM),
                  "allocation %ld: status %d", n, (int)status);
        sparoa_environment_free(e);
        sparoa_results_free(run);
        sparoa_results_free(results);
        sparoa_model_free(model);
        sparoa_close(lib);
    }
}
