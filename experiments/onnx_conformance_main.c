/* onnx_conformance [FOLDER [--verbose] [--l2=LIMIT]], behind make conformance and make onnx-check.
 *
 * Every operator case of ONNX whose operators have a rule, on every backend of
 * this machine. Prints "N of M pass, K not claimed"; exit code 1 unless all claimed ones pass. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiments/onnx_conformance.h"

typedef struct tally {
    size_t passed, failed, not_claimed;
    bool verbose;
    double l2;
} tally;

static size_t find_backends(const spa_backend **out)
{
    size_t count, n = 0;
    const spa_backend *const *all = spa_backends(&count);
    for (size_t i = 0; i < count && n < SPA_ONNX_CASE_BACKENDS; i++) {
        spa_error err;
        if (all[i]->probe(&err) == SPA_OK)
            out[n++] = all[i];
        else
            printf("%s: skipped, %s\n", all[i]->name, err.message);
    }
    return n;
}

static void print_l2(const spa_onnx_case_report *r, const char *name,
                     const spa_backend *const *backends, size_t n)
{
    printf("%-32s relative L2:", name);
    for (size_t i = 0; i < n; i++) printf(" %s %.1e", backends[i]->name, r->l2[i]);
    printf("\n");
}

static int run_case(tally *t, const char *folder, const char *name,
                    const spa_backend *const *backends, size_t n)
{
    char path[600];
    spa_onnx_case_report r;
    spa_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (spa_onnx_case_run(path, backends, n, t->l2, &r, &err) != SPA_OK) {
        fprintf(stderr, "onnx_conformance: %s\n", err.message);
        return 1;
    }
    t->passed += r.result == SPA_ONNX_CASE_PASSED;
    t->failed += r.result == SPA_ONNX_CASE_FAILED;
    t->not_claimed += r.result == SPA_ONNX_CASE_NOT_CLAIMED;
    if (r.result == SPA_ONNX_CASE_FAILED) printf("FAILED %s: %s\n", name, r.reason);
    if (r.result == SPA_ONNX_CASE_NOT_CLAIMED && t->verbose)
        printf("not claimed %s: %s\n", name, r.reason);
    if (t->l2 > 0 && r.result != SPA_ONNX_CASE_NOT_CLAIMED)
        print_l2(&r, name, backends, n);
    else if (r.result == SPA_ONNX_CASE_PASSED && t->verbose)
        printf("passed %s\n", name);
    return 0;
}

int main(int argc, char **argv)
{
    const spa_backend *backends[SPA_ONNX_CASE_BACKENDS];
    const char *folder = argc > 1 ? argv[1] : "/usr/share/libonnx-testdata/data/node";
    tally t = {0};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) t.verbose = true;
        if (strncmp(argv[i], "--l2=", 5) == 0) t.l2 = strtod(argv[i] + 5, NULL);
    }
    struct dirent **names;
    int n_names = scandir(folder, &names, NULL, alphasort), bad = 0;
    if (n_names < 0) {
        printf("conformance: skipped, no cases in %s; install libonnx-testdata\n", folder);
        return 0;
    }
    size_t n = find_backends(backends);
    for (int i = 0; i < n_names; i++) {
        if (strncmp(names[i]->d_name, "test_", 5) == 0 && !bad)
            bad = run_case(&t, folder, names[i]->d_name, backends, n);
        free(names[i]);
    }
    free(names);
    if (bad) return 1;
    printf("%zu of %zu pass on", t.passed, t.passed + t.failed);
    for (size_t i = 0; i < n; i++) printf(" %s", backends[i]->name);
    printf(", %zu not claimed\n", t.not_claimed);
    return t.failed > 0;
}
