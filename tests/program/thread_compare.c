/* The parallel comparison under ThreadSanitizer: results do not depend on the number of threads. A
 * plain program, because Criterion cannot start there. */
#define _XOPEN_SOURCE 700 /* open_memstream */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/cli.h"

/* The document without its wall-clock lines; NULL = the command failed. */
static char *document(const char *jobs)
{
    char *const argv[] = {"sparoa",
                          "compare",
                          "tests/data/tiny.graph.csv",
                          "--device",
                          "tests/data/tiny.device",
                          "--json",
                          "--reps",
                          "3",
                          "--jobs",
                          (char *)jobs};
    char *text = NULL, *kept = NULL;
    size_t size, kept_size;
    FILE *out = open_memstream(&text, &size), *filtered = open_memstream(&kept, &kept_size);
    if (!out || !filtered) return NULL;
    int code = spa_cli_main((int)(sizeof argv / sizeof *argv), argv, out, stderr);
    fclose(out);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (!strstr(line, "_host")) fprintf(filtered, "%s\n", line);
    }
    fclose(filtered);
    free(text);
    if (code == 0) return kept;
    free(kept);
    return NULL;
}

int main(void)
{
    char *one = document("1"), *four = document("4");
    int bad = !one || !four || strcmp(one, four) != 0;
    if (bad) fprintf(stderr, "thread_compare: --jobs 1 and --jobs 4 differ, or one failed\n");
    free(one);
    free(four);
    return bad;
}
