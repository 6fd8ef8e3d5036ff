/* make learn-study: trained policies beside dp and searches, many seeds, as tables for the docs.
 *
 *     learn_study exact    noise, contention and decision costs off, one seed: gaps to dp
 *     learn_study all-on   everything on: differences to rivals with their 95 % intervals
 *
 * Every cell is a `sparoa train` of its own; what it wrote is read from its JSON. */
#include <gsl/gsl_errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stats.h"
#include "experiments/cli.h"
#include "experiments/parallel.h"

enum { N_ALGORITHMS = 5, N_MODELS = 5, N_DEVICES = 4, N_PAIRS = N_MODELS * N_DEVICES };

static const char *const models[N_MODELS] = {"resnet18", "mobilenet_v2", "mobilenet_v3_small",
                                             "vit_b_16", "swin_t"};
static const char *const devices[N_DEVICES] = {"x86-2core", "crossover", "agx-orin", "orin-nano"};
/* As many steps as each of them needs; the goal is that of the gap to dp, in percent. */
static const struct {
    const char *name, *steps;
    double goal;
} algorithms[N_ALGORITHMS] = {{"q-learning", "100000", 5},
                              {"dqn", "150000", 2},
                              {"ppo", "100000", 2},
                              {"sac-discrete", "50000", 2},
                              {"sac", "20000", 2}};
enum { RIVAL_DP, RIVAL_LOCAL_SEARCH, RIVAL_ROLLOUT, RIVAL_REPLAN_GREEDY, N_RIVALS };
static const char *const rivals[N_RIVALS] = {"dp", "local-search", "rollout", "replan-greedy"};

/* What one training came to; latencies in ms. */
typedef struct cell {
    double dispatch_ms, offline_ms, rival_ms[N_RIVALS], seconds;
} cell;

typedef struct study {
    bool exact;
    bool chosen[N_ALGORITHMS];
    size_t n_seeds, jobs;
    const char *steps; /* NULL = each algorithm's own */
    size_t *which;     /* [n] algorithm of each cell's block */
    size_t n_chosen;
    cell *cells; /* [chosen algorithm][pair][seed] */
} study;

static size_t cell_at(const study *s, size_t algorithm, size_t pair, size_t seed)
{
    return (algorithm * N_PAIRS + pair) * s->n_seeds + seed;
}

/* ---- one training ---- */

static double latency(const json_t *rows, size_t i)
{
    return json_number_value(json_object_get(json_array_get(rows, i), "latency_ms"));
}

static spa_status read_cell(FILE *file, cell *c, spa_error *err)
{
    rewind(file);
    json_t *doc = json_loadf(file, 0, NULL);
    const json_t *final = json_object_get(doc, "final"), *own = json_object_get(final, "runs");
    const json_t *others = json_object_get(doc, "rivals");
    c->dispatch_ms = latency(own, 0);
    c->offline_ms = latency(own, 1);
    c->seconds = json_number_value(json_object_get(doc, "seconds_host"));
    for (size_t i = 0; i < json_array_size(others); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(others, i), "policy"));
        for (int r = 0; r < N_RIVALS; r++)
            if (name && !strcmp(name, rivals[r])) c->rival_ms[r] = latency(others, i);
    }
    json_decref(doc);
    bool good = c->dispatch_ms > 0 && c->offline_ms > 0;
    for (int r = 0; r < N_RIVALS; r++) good &= c->rival_ms[r] > 0;
    return good ? SPA_OK : spa_fail(err, SPA_E_INVALID, "a training without its latencies");
}

static spa_status train(void *user, size_t i, spa_error *err)
{
    study *s = user;
    size_t seed = i % s->n_seeds, pair = i / s->n_seeds % N_PAIRS;
    size_t algorithm = s->which[i / s->n_seeds / N_PAIRS];
    char path[64], text[24];
    snprintf(path, sizeof path, "/tmp/learn-study-%ld-%zu.actor", (long)getpid(), i);
    snprintf(text, sizeof text, "%zu", seed + 1);
    const char *steps = s->steps ? s->steps : algorithms[algorithm].steps;
    const char *argv[] = {"sparoa",
                          "train",
                          algorithms[algorithm].name,
                          models[pair / N_DEVICES],
                          "--device",
                          devices[pair % N_DEVICES],
                          "--steps",
                          steps,
                          "--seed",
                          text,
                          "-o",
                          path,
                          "--json",
                          "--quiet",
                          "--noise",
                          "off",
                          "--contention",
                          "off",
                          "--policy-cost",
                          "off",
                          NULL};
    int argc = s->exact ? 20 : 14;
    FILE *out = tmpfile();
    if (!out) return spa_fail(err, SPA_E_IO, "no temporary file");
    int code = spa_cli_main(argc, (char *const *)argv, out, stderr);
    spa_status status = code ? spa_fail(err, SPA_E_INVALID, "%s %s on %s: sparoa train failed",
                                        argv[2], argv[3], argv[5])
                             : read_cell(out, &s->cells[i], err);
    fclose(out);
    unlink(path);
    return status;
}

static void show(void *user, size_t done)
{
    const study *s = user;
    fprintf(stderr, "\r%zu of %zu trainings ", done, s->n_chosen * N_PAIRS * s->n_seeds);
}

/* ---- tables ---- */

/* Rows: pairs; columns: how far behind dp each algorithm is, in percent. */
static void print_exact(const study *s)
{
    printf("| model | device |");
    for (size_t a = 0; a < s->n_chosen; a++) printf(" %s |", algorithms[s->which[a]].name);
    printf("\n|---|---|");
    for (size_t a = 0; a < s->n_chosen; a++) printf("---|");
    for (size_t pair = 0; pair < N_PAIRS; pair++) {
        printf("\n| %s | %s |", models[pair / N_DEVICES], devices[pair % N_DEVICES]);
        for (size_t a = 0; a < s->n_chosen; a++) {
            const cell *c = &s->cells[cell_at(s, a, pair, 0)];
            printf(" %+.2f |", 100 * (c->dispatch_ms / c->rival_ms[RIVAL_DP] - 1));
        }
    }
    printf("\n| worst (goal) | |");
    for (size_t a = 0; a < s->n_chosen; a++) {
        double worst = -INFINITY;
        for (size_t pair = 0; pair < N_PAIRS; pair++) {
            const cell *c = &s->cells[cell_at(s, a, pair, 0)];
            worst = fmax(worst, 100 * (c->dispatch_ms / c->rival_ms[RIVAL_DP] - 1));
        }
        printf(" %+.2f (%g) |", worst, algorithms[s->which[a]].goal);
    }
    printf("\n| seconds, median | |");
    for (size_t a = 0; a < s->n_chosen; a++) {
        double seconds[N_PAIRS];
        for (size_t pair = 0; pair < N_PAIRS; pair++)
            seconds[pair] = s->cells[cell_at(s, a, pair, 0)].seconds;
        printf(" %.1f |", spa_median(seconds, N_PAIRS));
    }
    printf("\n");
}

/* Mean and interval, over the seeds, of how much longer `own` takes than a rival, in percent; both
 * meet the same noise. */
static void print_difference(const study *s, size_t a, size_t pair, bool offline, int rival)
{
    spa_moments m = {0};
    for (size_t seed = 0; seed < s->n_seeds; seed++) {
        const cell *c = &s->cells[cell_at(s, a, pair, seed)];
        double own = offline ? c->offline_ms : c->dispatch_ms;
        spa_moments_add(&m, 100 * (own / c->rival_ms[rival] - 1));
    }
    printf(" %+.2f +- %.2f |", m.mean, spa_ci_half_width(m.count, spa_moments_sd(&m), 0.95));
}

static void print_all_on(const study *s, size_t a)
{
    printf(
        "\n%s, %zu seeds: %% longer than the rival (negative: learning wins), 95 %% interval\n\n",
        algorithms[s->which[a]].name, s->n_seeds);
    printf("| model | device | at dispatch: dp | replan-greedy | offline: dp | local-search | "
           "rollout | replan-greedy |\n|---|---|---|---|---|---|---|---|\n");
    for (size_t pair = 0; pair < N_PAIRS; pair++) {
        printf("| %s | %s |", models[pair / N_DEVICES], devices[pair % N_DEVICES]);
        print_difference(s, a, pair, false, RIVAL_DP);
        print_difference(s, a, pair, false, RIVAL_REPLAN_GREEDY);
        print_difference(s, a, pair, true, RIVAL_DP);
        print_difference(s, a, pair, true, RIVAL_LOCAL_SEARCH);
        print_difference(s, a, pair, true, RIVAL_ROLLOUT);
        print_difference(s, a, pair, true, RIVAL_REPLAN_GREEDY);
        printf("\n");
    }
}

/* ---- the command line ---- */

static bool choose(study *s, const char *name)
{
    for (size_t a = 0; a < N_ALGORITHMS; a++) {
        if (strcmp(algorithms[a].name, name) != 0) continue;
        s->chosen[a] = true;
        return true;
    }
    return false;
}

static bool parse(study *s, int argc, char **argv)
{
    bool any = false;
    if (argc < 2 || (strcmp(argv[1], "exact") != 0 && strcmp(argv[1], "all-on") != 0)) return false;
    s->exact = strcmp(argv[1], "exact") == 0;
    s->n_seeds = s->exact ? 1 : 10;
    s->jobs = 2;
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc) return false;
        if (!strcmp(argv[i], "--seeds") && !s->exact)
            s->n_seeds = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--jobs"))
            s->jobs = strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--steps"))
            s->steps = argv[i + 1];
        else if (!strcmp(argv[i], "--only") && choose(s, argv[i + 1]))
            any = true;
        else
            return false;
    }
    for (size_t a = 0; a < N_ALGORITHMS && !any; a++) s->chosen[a] = true;
    return s->n_seeds > 0 && s->n_seeds <= 1000 && s->jobs > 0 && s->jobs <= 256;
}

static spa_status run(study *s, spa_error *err)
{
    size_t n = 0;
    SPA_TRY(spa_alloc(&s->which, N_ALGORITHMS, sizeof *s->which, err));
    for (size_t a = 0; a < N_ALGORITHMS; a++)
        if (s->chosen[a]) s->which[s->n_chosen++] = a;
    n = s->n_chosen * N_PAIRS * s->n_seeds;
    SPA_TRY(spa_alloc(&s->cells, n, sizeof *s->cells, err));
    SPA_TRY(spa_parallel(s->jobs, n, s, train, show, err));
    fprintf(stderr, "\n");
    if (s->exact) print_exact(s);
    for (size_t a = 0; a < s->n_chosen && !s->exact; a++) print_all_on(s, a);
    return SPA_OK;
}

int main(int argc, char **argv)
{
    study s = {0};
    spa_error err = {0};
    if (!parse(&s, argc, argv)) {
        fprintf(stderr, "usage: learn_study exact|all-on [--only ALGORITHM]... [--seeds N] "
                        "[--steps N] [--jobs J]\n");
        return 2;
    }
    gsl_set_error_handler_off();
    spa_status status = run(&s, &err);
    if (status) fprintf(stderr, "\nlearn_study: %s\n", err.message);
    free(s.which);
    free(s.cells);
    return status ? 1 : 0;
}
