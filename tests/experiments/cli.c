#define _XOPEN_SOURCE 700 /* nftw, mkdtemp */
#include "tests/experiments/cli.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "experiments/cli.h"

#define MAX_WORDS 64

static cli_result run_words(char *line)
{
    char *argv[MAX_WORDS + 1] = {(char *)"sparoa"};
    int argc = 1;
    char *rest = NULL;
    for (char *word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        cr_assert_lt(argc, MAX_WORDS);
        argv[argc++] = word;
    }
    cli_result r = {0};
    size_t out_size, err_size;
    FILE *out = open_memstream(&r.out, &out_size), *err = open_memstream(&r.err, &err_size);
    cr_assert(out && err);
    r.code = spa_cli_main(argc, argv, out, err);
    fclose(out);
    fclose(err);
    return r;
}

static cli_result run_format(const char *fmt, va_list args)
{
    char line[4096];
    int n = vsnprintf(line, sizeof line, fmt, args);
    cr_assert(n >= 0 && (size_t)n < sizeof line);
    return run_words(line);
}

cli_result cli(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    cli_result r = run_format(fmt, args);
    va_end(args);
    return r;
}

void cli_free(cli_result *result)
{
    free(result->out);
    free(result->err);
    *result = (cli_result){0};
}

json_t *cli_json(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    cli_result r = run_format(fmt, args);
    va_end(args);
    cr_assert_eq(r.code, 0, "code %d: %s", r.code, r.err);
    json_error_t fault;
    json_t *document = json_loads(r.out, JSON_REJECT_DUPLICATES, &fault);
    cr_assert(document, "line %d: %s", fault.line, fault.text);
    cli_free(&r);
    return document;
}

void cli_expect_failure(int code, const char *text, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    cli_result r = run_format(fmt, args);
    va_end(args);
    cr_assert_eq(r.code, code, "'%s': code %d, not %d: %s", fmt, r.code, code, r.err);
    cr_assert_str_empty(r.out, "'%s' printed: %s", fmt, r.out);
    cr_assert(strncmp(r.err, "sparoa: ", 8) == 0, "'%s': %s", fmt, r.err);
    char *end = strchr(r.err, '\n');
    cr_assert(end && end[1] == '\0', "'%s': not one line: %s", fmt, r.err);
    cr_assert(strstr(r.err, text), "'%s': no '%s' in: %s", fmt, text, r.err);
    cli_free(&r);
}

/* ---------------------------------------------------------------- files */
static char folder[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *cli_folder(void)
{
    if (!folder[0]) {
        strcpy(folder, "/tmp/sparoa-test-XXXXXX");
        cr_assert(mkdtemp(folder));
        atexit(remove_folder);
    }
    return folder;
}

bool cli_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

char *cli_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s cannot be read", path);
    fseek(f, 0, SEEK_END);
    long n = ftell(f);
    rewind(f);
    char *data = calloc(1, (size_t)n + 1);
    cr_assert(data);
    cr_assert_eq(fread(data, 1, (size_t)n, f), (size_t)n);
    fclose(f);
    *size = (size_t)n;
    return data;
}

void cli_write(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f);
    cr_assert_eq(fwrite(data, 1, size, f), size);
    fclose(f);
}
