/* Running the program in process, for tests. */
#ifndef SPA_TESTS_EXPERIMENTS_CLI_H
#define SPA_TESTS_EXPERIMENTS_CLI_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdbool.h>

#define TINY        "tests/data/tiny.graph.csv"
#define TINY_DEVICE "--device tests/data/tiny.device"

typedef struct cli_result {
    int code;
    char *out, *err; /* what went to the standard output and error; never NULL */
} cli_result;

/* Runs a command line (a format; words are separated by blanks). Free with cli_free. */
cli_result cli(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void cli_free(cli_result *result);

/* Runs, expects code 0, returns the JSON document; json_decref it. */
json_t *cli_json(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Expects this exit code, nothing on the standard output and one line on the error that starts
 * with "sparoa: " and contains `text`. */
void cli_expect_failure(int code, const char *text, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A folder of this test's own, removed when it ends; the same one each time. */
const char *cli_folder(void);
bool cli_exists(const char *path);
/* The whole file; free it. */
char *cli_read(const char *path, size_t *size);
void cli_write(const char *path, const void *data, size_t size);

#endif
