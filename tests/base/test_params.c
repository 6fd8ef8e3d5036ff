#include "tests/base/check.h"
#include <stdio.h>
#include "base/params.h"

static const spa_param table[] = {
    {.name = "intensity", .kind = SPA_PARAM_REAL, .value = 1e8, .min = 0, .max = 1e12},
    {.name = "depth", .kind = SPA_PARAM_INT, .value = 3, .min = 1, .max = 10},
    {.name = "model", .kind = SPA_PARAM_TEXT, .text = "none"},
};
enum { COUNT = 3 };
static spa_param_values values;

Test(params, defaults_come_from_the_table)
{
    spa_params_defaults(table, COUNT, &values);
    cr_assert_eq(values.number[0], 1e8);
    cr_assert_eq(values.number[1], 3);
    cr_assert_str_eq(values.text[2], "none");
}

Test(params, an_empty_text_keeps_the_defaults)
{
    expect_ok(spa_params_parse(table, COUNT, "threshold", "", &values, err));
    cr_assert_eq(values.number[1], 3);
    cr_assert_str_eq(values.text[2], "none");
}

Test(params, what_is_given_replaces_the_default_in_any_order)
{
    expect_ok(spa_params_parse(table, COUNT, "p", "model=a/b=c.bin:intensity=2.5e8", &values, err));
    cr_assert_eq(values.number[0], 2.5e8);
    cr_assert_eq(values.number[1], 3);
    cr_assert_str_eq(values.text[2], "a/b=c.bin"); /* a value may hold '=' */
}

Test(params, bounds_are_inclusive)
{
    expect_ok(spa_params_parse(table, COUNT, "p", "depth=10:intensity=0", &values, err));
    cr_assert_eq(values.number[1], 10);
    expect_ok(spa_params_parse(table, COUNT, "p", "depth=1e0", &values, err));
    cr_assert_eq(values.number[1], 1);
}

Test(params, values_outside_their_bounds_are_refused)
{
    expect_error(spa_params_parse(table, COUNT, "p", "depth=11", &values, err), SPA_E_RANGE,
                 "p: parameter 'depth': '11' is out of range; write a number from 1 to 10");
    expect_error(spa_params_parse(table, COUNT, "p", "intensity=-1", &values, err), SPA_E_RANGE,
                 "p: parameter 'intensity': '-1' is out of range; write a number from 0 to "
                 "1000000000000");
}

Test(params, text_that_is_no_number_is_refused)
{
    expect_error(spa_params_parse(table, COUNT, "p", "intensity=fast", &values, err), SPA_E_PARSE,
                 "p: parameter 'intensity': 'fast' is not a number; write one like 2.5 or 1e8");
    expect_error(spa_params_parse(table, COUNT, "p", "depth=2.5", &values, err), SPA_E_PARSE,
                 "p: parameter 'depth': '2.5' is not a whole number; write one like 12 or 1e8");
    expect_error(spa_params_parse(table, COUNT, "p", "depth=", &values, err), SPA_E_PARSE,
                 "p: parameter 'depth': '' is not a whole number; write one like 12 or 1e8");
}

Test(params, an_unknown_name_is_answered_with_the_nearest)
{
    expect_error(spa_params_parse(table, COUNT, "p", "intensty=1", &values, err), SPA_E_NOT_FOUND,
                 "p: unknown parameter 'intensty'; did you mean 'intensity'?");
    expect_error(spa_params_parse(NULL, 0, "p", "x=1", &values, err), SPA_E_NOT_FOUND,
                 "p: unknown parameter 'x'; there is none to choose from");
}

Test(params, a_repeated_name_is_refused)
{
    expect_error(spa_params_parse(table, COUNT, "p", "depth=2:depth=2", &values, err),
                 SPA_E_INVALID, "p: parameter 'depth' is given twice; keep one of them");
}

Test(params, pieces_that_are_no_pair_are_refused)
{
    static const char *const bad[] = {"depth", "=3", "depth=2:", ":depth=2", "depth=2::model=x"};
    static const char *const piece[] = {"depth", "=3", "", "", ""};
    for (int i = 0; i < 5; i++) {
        spa_error err;
        char wanted[128];
        cr_assert_eq(spa_params_parse(table, COUNT, "p", bad[i], &values, &err), SPA_E_PARSE);
        snprintf(wanted, sizeof wanted,
                 "p: '%s' is not a parameter; write name=value, separated by colons", piece[i]);
        cr_assert_str_eq(err.message, wanted);
    }
}

Test(params, a_text_as_long_as_its_room_is_refused_and_one_byte_less_is_kept)
{
    char text[6 + 257] = "model=";
    memset(text + 6, 'a', 256);
    expect_error(spa_params_parse(table, COUNT, "p", text, &values, err), SPA_E_RANGE,
                 "p: parameter 'model': the text is too long; keep it below 256 bytes");
    text[6 + 255] = '\0';
    expect_ok(spa_params_parse(table, COUNT, "p", text, &values, err));
    cr_assert_eq(strlen(values.text[2]), 255);
}

Test(params, a_failure_leaves_zeroed_values)
{
    cr_assert_neq(spa_params_parse(table, COUNT, "p", "intensity=5:depth=99", &values, NULL), 0);
    static const spa_param_values zero;
    cr_assert_eq(memcmp(&values, &zero, sizeof zero), 0);
}

Test(params, integers_that_a_double_cannot_hold_are_refused)
{
    static const spa_param wide[] = {
        {.name = "seed", .kind = SPA_PARAM_INT, .min = -1e300, .max = 1e300}};
    expect_ok(spa_params_parse(wide, 1, "p", "seed=9007199254740992", &values, err)); /* 2^53 */
    cr_assert_eq(values.number[0], 9007199254740992.0);
    cr_assert_eq(spa_params_parse(wide, 1, "p", "seed=9007199254740993", &values, NULL),
                 SPA_E_RANGE);
}
