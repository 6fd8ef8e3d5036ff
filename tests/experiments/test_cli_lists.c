/* models, devices, policies, batchers, scenarios, inspect. */
#include <string.h>
#include "sim/policy.h"
#include "tests/experiments/cli.h"

static void expect_keys(json_t *object, const char *const *keys, size_t count)
{
    size_t i = 0;
    const char *key;
    json_t *value;
    cr_assert_eq(json_object_size(object), count);
    json_object_foreach(object, key, value)
    {
        cr_assert_str_eq(key, keys[i], "key %zu is %s, not %s", i, key, keys[i]);
        i++;
    }
}
#define KEYS(object, ...)                                                                          \
    do {                                                                                           \
        static const char *const keys_[] = {__VA_ARGS__};                                          \
        expect_keys(object, keys_, sizeof keys_ / sizeof *keys_);                                  \
    } while (0)

static const char *text_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_t *first(json_t *document, const char *key)
{
    return json_array_get(json_object_get(document, key), 0);
}

Test(cli_lists, models_have_their_published_sizes)
{
    json_t *d = cli_json("models --json");
    KEYS(d, "schema", "models");
    cr_assert_str_eq(text_of(d, "schema"), "sparoa.models/1");
    KEYS(first(d, "models"), "name", "operators", "macs", "parameters");
    cr_assert_str_eq(text_of(first(d, "models"), "name"), "resnet18");
    cr_assert_eq(json_integer_value(json_object_get(first(d, "models"), "parameters")), 11689512);
    json_decref(d);
}

Test(cli_lists, devices_have_modes_stacks_and_origins)
{
    json_t *d = cli_json("devices --json");
    cr_assert_str_eq(text_of(d, "schema"), "sparoa.devices/1");
    KEYS(first(d, "devices"), "name", "mode", "stacks", "processors", "origin");
    json_decref(d);
}

Test(cli_lists, policies_are_the_registry)
{
    size_t count;
    const spa_policy *const *policies = spa_policies(&count);
    json_t *d = cli_json("policies --json");
    cr_assert_str_eq(text_of(d, "schema"), "sparoa.policies/1");
    cr_assert_eq(json_array_size(json_object_get(d, "policies")), count);
    KEYS(first(d, "policies"), "name", "summary", "source", "capabilities", "objectives");
    cr_assert_str_eq(text_of(first(d, "policies"), "name"), policies[0]->name);
    json_decref(d);
}

Test(cli_lists, there_is_a_batcher_and_scenarios_come_with_the_program)
{
    json_t *d = cli_json("batchers --json");
    cr_assert_str_eq(text_of(first(d, "batchers"), "name"), "none");
    json_decref(d);
    d = cli_json("scenarios --json");
    cr_assert_str_eq(text_of(first(d, "scenarios"), "name"), "single");
    json_t *row;
    size_t i, shipped = 0;
    json_array_foreach(json_object_get(d, "scenarios"), i, row)
    {
        static const char *const names[] = {"bursty",  "loaded", "mixed",
                                            "poisson", "static", "thermal"};
        for (size_t k = 0; k < 6; k++)
            shipped += strcmp(text_of(row, "name"), names[k]) == 0 && *text_of(row, "summary");
    }
    cr_assert_eq(shipped, 6);
    json_decref(d);
}

Test(cli_lists, tables_have_a_line_per_row)
{
    static const char *const lines[] = {"models", "devices", "policies", "batchers", "scenarios"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        cli_result r = cli("%s", lines[i]);
        cr_assert_eq(r.code, 0, "%s", r.err);
        cr_assert(strstr(r.out, "\n--"), "%s", r.out);
        cr_assert(!strstr(r.out, " \n"), "blanks at the end of a line: %s", r.out);
        cli_free(&r);
    }
}

Test(cli_lists, inspect_without_a_device_has_no_times)
{
    json_t *d = cli_json("inspect " TINY " --json");
    KEYS(d, "schema", "model", "device", "stack", "operators");
    cr_assert_str_eq(text_of(d, "schema"), "sparoa.inspect/1");
    cr_assert_str_eq(text_of(d, "model"), "tiny");
    cr_assert(json_is_null(json_object_get(d, "device")));
    json_t *op = first(d, "operators");
    KEYS(op, "name", "kind", "macs", "bytes_in", "bytes_w", "bytes_out", "sparsity",
         "input_sparsity", "rho_origin", "quadrant", "time_us", "origin");
    cr_assert_str_eq(text_of(op, "name"), "stem");
    /* 32 outputs x 8 inputs x 3 x 3 x 32 x 32 */
    cr_assert_eq(json_integer_value(json_object_get(op, "macs")), 2359296);
    /* 32 x 8 x 3 x 3 weights of 4 bytes */
    cr_assert_eq(json_integer_value(json_object_get(op, "bytes_w")), 9216);
    cr_assert_eq(json_object_size(json_object_get(op, "time_us")), 0);
    json_decref(d);
}

Test(cli_lists, inspect_with_a_device_has_a_time_per_processor)
{
    json_t *d = cli_json("inspect " TINY " " TINY_DEVICE " --json");
    cr_assert_str_eq(text_of(d, "device"), "tiny");
    cr_assert_str_eq(text_of(d, "stack"), "synthetic");
    json_t *times = json_object_get(first(d, "operators"), "time_us");
    KEYS(times, "cpu", "gpu");
    /* CPU: 2359296 MACs at 60 GMAC/s + 0.1 us launch = 39.42 us */
    cr_assert_float_eq(json_number_value(json_object_get(times, "cpu")), 39.42, 0.01);
    cr_assert_str_eq(text_of(first(d, "operators"), "origin"), "assumed");
    json_decref(d);
}

Test(cli_lists, quadrants_follow_the_paper_and_unknown_is_said)
{
    json_t *d = cli_json("inspect " TINY " --json"), *ops = json_object_get(d, "operators");
    /* stem: rho 0, 2.4e6 MACs; act: rho 0.5; join: rho unknown */
    cr_assert_str_eq(text_of(json_array_get(ops, 0), "quadrant"), "dense-light");
    cr_assert_str_eq(text_of(json_array_get(ops, 1), "quadrant"), "sparse-light");
    cr_assert_str_eq(text_of(json_array_get(ops, 4), "quadrant"), "unknown-light");
    cr_assert(json_is_null(json_object_get(json_array_get(ops, 4), "sparsity")));
    json_decref(d);
    d = cli_json("inspect resnet18 --json");
    cr_assert_str_eq(text_of(first(d, "operators"), "quadrant"), "dense-heavy"); /* 118 MMACs */
    json_decref(d);
}
