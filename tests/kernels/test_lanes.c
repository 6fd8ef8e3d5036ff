/* The --lanes language. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "kernels/lanes.h"
#include "kernels/worker.h"
#include "tests/base/check.h"

static void expect_lane_error(const char *text, spa_status wanted, const char *part)
{
    spa_lane_set set;
    spa_error err = {0};
    cr_assert_eq(spa_lanes_parse(&set, text, &err), wanted, "'%s': status %d: %s", text,
                 (int)err.status, err.message);
    cr_assert_not_null(strstr(err.message, part), "'%s': %s", text, err.message);
    cr_assert_eq(set.count, 0);
}

/* A core this process may use; tests may be confined to any. */
static int allowed_core(int after)
{
    for (int c = after + 1; c < 1024; c++)
        if (spa_core_allowed(c)) return c;
    return -1;
}

Test(kernels_lanes, a_lane_names_its_core_and_its_kernels)
{
    spa_lane_set set;
    char text[64], name[32];
    int core = allowed_core(-1);
    snprintf(text, sizeof text, "cpu:%d=sparse", core);
    snprintf(name, sizeof name, "cpu%d", core);
    expect_ok(spa_lanes_parse(&set, text, err));
    cr_assert_eq(set.count, 1);
    cr_assert_eq(set.lanes[0].first_core, core);
    cr_assert_eq(set.lanes[0].n_cores, 1);
    cr_assert_str_eq(set.lanes[0].processor, name);
    cr_assert_eq(set.lanes[0].backend, &spa_backend_sparse);
}

Test(kernels_lanes, without_kernels_a_lane_runs_the_dense_ones)
{
    spa_lane_set set;
    char text[64];
    snprintf(text, sizeof text, "cpu:%d", allowed_core(-1));
    expect_ok(spa_lanes_parse(&set, text, err));
    cr_assert_eq(set.lanes[0].backend, &spa_backend_blas);
}

Test(kernels_lanes, two_lanes_and_a_range_of_cores)
{
    int first = allowed_core(-1), second = allowed_core(first);
    spa_lane_set set;
    char text[64];
    if (second != first + 1) cr_skip_test("needs two neighbouring cores");
    snprintf(text, sizeof text, "cpu:%d=sparse,cpu:%d=blas", first, second);
    expect_ok(spa_lanes_parse(&set, text, err));
    cr_assert_eq(set.count, 2);
    cr_assert_eq(set.lanes[1].first_core, second);
    snprintf(text, sizeof text, "cpu:%d-%d=ref", first, second);
    expect_ok(spa_lanes_parse(&set, text, err));
    cr_assert_eq(set.count, 1);
    cr_assert_eq(set.lanes[0].n_cores, 2);
    snprintf(text, sizeof text, "cpu:%d-%d,cpu:%d", first, second, second);
    expect_lane_error(text, SPA_E_INVALID, "share a core");
}

Test(kernels_lanes, faults_are_named_with_a_cure)
{
    expect_lane_error("", SPA_E_PARSE, "empty lane");
    expect_lane_error("cpu:0=blas,", SPA_E_PARSE, "empty lane");
    expect_lane_error("cpu", SPA_E_PARSE, "has no core");
    expect_lane_error("cpu=blas", SPA_E_PARSE, "has no core");
    expect_lane_error("cpu:x=blas", SPA_E_PARSE, "'x' is not a core number");
    expect_lane_error("cpu:-1=blas", SPA_E_PARSE, "not a core number");
    expect_lane_error("cpu:0-=blas", SPA_E_PARSE, "not a core number");
    expect_lane_error("cpu:3-1=blas", SPA_E_PARSE, "backwards");
    expect_lane_error("gpu:0=blas", SPA_E_NOT_FOUND, "lane device 'gpu'");
    expect_lane_error("cpu:0=sprase", SPA_E_NOT_FOUND, "did you mean 'sparse'");
    expect_lane_error("cpu:4000=blas", SPA_E_UNSUPPORTED, "core 4000 is not one");
}

Test(kernels_lanes, a_core_in_two_lanes_is_refused)
{
    char text[64];
    int core = allowed_core(-1);
    snprintf(text, sizeof text, "cpu:%d=blas,cpu:%d=sparse", core, core);
    expect_lane_error(text, SPA_E_INVALID, "share a core");
}

Test(kernels_lanes, an_emulated_device_is_a_core_behind_streams)
{
    spa_lane_set set;
    char text[64], name[32];
    int core = allowed_core(-1);
    snprintf(text, sizeof text, "emulated:%d=sparse", core);
    snprintf(name, sizeof name, "emulated%d", core);
    expect_ok(spa_lanes_parse(&set, text, err));
    cr_assert_str_eq(set.lanes[0].processor, name);
    cr_assert_eq(set.lanes[0].device, &spa_stream_device_emulated);
    cr_assert_eq(set.lanes[0].device_index, core);
    cr_assert_eq(set.lanes[0].backend, &spa_backend_sparse);
    snprintf(text, sizeof text, "emulated:%d,cpu:%d", core, core);
    expect_lane_error(text, SPA_E_INVALID, "share a core");
    expect_lane_error("emulated:0-1", SPA_E_INVALID, "has one core");
}

Test(kernels_lanes, a_cuda_lane_is_there_or_says_why_not)
{
    spa_lane_set set;
    spa_error err = {0};
    if (spa_lanes_parse(&set, "cuda:0", &err) == SPA_OK) {
        cr_assert_str_eq(set.lanes[0].processor, "cuda0");
        cr_assert_str_eq(set.lanes[0].backend->name, "cuda");
        cr_assert_eq(set.lanes[0].device, &spa_stream_device_cuda);
        expect_lane_error("cuda:0,cuda:0", SPA_E_INVALID, "two lanes on cuda0");
    } else {
        cr_assert_eq(err.status, SPA_E_UNSUPPORTED);
        cr_assert_not_null(strstr(err.message, "no CUDA device ("), "%s", err.message);
    }
    expect_lane_error("cuda:x", SPA_E_PARSE, "'x' is not a core number");
    expect_lane_error("cuda:0=blas", SPA_E_PARSE, "not a core number");
    expect_lane_error("cuda:4000", SPA_E_UNSUPPORTED, "no CUDA device");
}
