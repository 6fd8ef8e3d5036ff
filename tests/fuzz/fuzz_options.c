/* Command lines: one argument per line of the input; the first byte chooses the command. */
#include "experiments/options.h"
#include "tests/fuzz/fuzz.h"

FUZZ_TARGET(fuzz_options)
{
    char *argv[65], *save, *text;
    int argc = 0;
    spa_options options;
    spa_error err = {0};
    if (size == 0) return 0;
    text = fuzz_text(data + 1, size - 1);
    for (char *a = strtok_r(text, "\n", &save); a && argc < 64; a = strtok_r(NULL, "\n", &save))
        argv[argc++] = a;
    argv[argc] = NULL;
    spa_status status =
        spa_options_parse(&options, "fuzz", 1u << data[0] % 11, argc, argv, 0, &err);
    if (status) fuzz_error(status, &err);
    spa_options_fini(&options);
    free(text);
    return 0;
}
