/* What commands share that the C interface needs, too: notes, and what a wrong name is. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "experiments/cli.h"

void spa_cli_note(const spa_cli *cli, const spa_options *options, const char *fmt, ...)
{
    if (options->quiet) return;
    va_list args;
    va_start(args, fmt);
    vfprintf(cli->err, fmt, args);
    va_end(args);
    putc('\n', cli->err);
}

static bool names_a_file(const char *name)
{
    static const char *const endings[] = {".csv", ".device", ".scenario", ".onnx", ".slog", ".exp"};
    size_t n = strlen(name);
    if (strchr(name, '/')) return true;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t m = strlen(endings[i]);
        if (n > m && strcmp(name + n - m, endings[i]) == 0) return true;
    }
    return false;
}

spa_status spa_cli_name_status(spa_status status, const char *name, spa_error *err)
{
    if (status != SPA_E_NOT_FOUND || names_a_file(name)) return status;
    if (err) err->status = SPA_E_USAGE;
    return SPA_E_USAGE;
}
