/* Parameters after a policy's name: "a=1:b=text". */
#include "base/params.h"
#include "tests/fuzz/fuzz.h"

FUZZ_TARGET(fuzz_params)
{
    static const spa_param table[] = {
        {.name = "real", .kind = SPA_PARAM_REAL, .value = 0.5, .min = 0, .max = 1, .help = "h"},
        {.name = "whole", .kind = SPA_PARAM_INT, .value = 3, .min = -10, .max = 1e6, .help = "h"},
        {.name = "text", .kind = SPA_PARAM_TEXT, .text = "none", .help = "h"}};
    spa_param_values values;
    spa_error err = {0};
    char *text = fuzz_text(data, size);
    spa_status status = spa_params_parse(table, 3, "fuzz", text, &values, &err);
    if (status) fuzz_error(status, &err);
    if (!status) {
        FUZZ_CHECK(values.number[0] >= 0 && values.number[0] <= 1, "%g", values.number[0]);
        FUZZ_CHECK(values.number[1] >= -10 && values.number[1] <= 1e6 &&
                       values.number[1] == (double)(int64_t)values.number[1],
                   "%g", values.number[1]);
        FUZZ_CHECK(memchr(values.text[2], '\0', sizeof values.text[2]), "text without an end");
    }
    free(text);
    return 0;
}
