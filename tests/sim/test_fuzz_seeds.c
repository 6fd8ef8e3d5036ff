/* Every fuzz target in this process: all seeds, and mutations of them from a fixed seed. A crash,
 * an error without a message or a text that does not read and write to itself aborts the test. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/rng.h"
#define FUZZ_IN_PROCESS
#include "tests/fuzz/fuzz_actor.c"
#include "tests/fuzz/fuzz_checkpoint.c"
#include "tests/fuzz/fuzz_csv.c"
#include "tests/fuzz/fuzz_device.c"
#include "tests/fuzz/fuzz_experiment.c"
#include "tests/fuzz/fuzz_graph.c"
#include "tests/fuzz/fuzz_ini.c"
#include "tests/fuzz/fuzz_onnx.c"
#include "tests/fuzz/fuzz_options.c"
#include "tests/fuzz/fuzz_params.c"
#include "tests/fuzz/fuzz_predictor.c"
#include "tests/fuzz/fuzz_scenario.c"
#include "tests/fuzz/fuzz_schedule.c"
#include "tests/fuzz/fuzz_slog.c"
#include "tests/fuzz/fuzz_trace.c"

#define MOST_SEEDS 64
#define MOST_BYTES 16384

typedef struct corpus {
    char names[MOST_SEEDS][300], *data[MOST_SEEDS];
    size_t size[MOST_SEEDS], count;
} corpus;

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void load(corpus *c, const char *parser)
{
    char folder[128], path[512];
    spa_error err;
    struct dirent *entry;
    memset(c, 0, sizeof *c);
    snprintf(folder, sizeof folder, "tests/fuzz/seeds/%s", parser);
    DIR *d = opendir(folder);
    if (!d) cr_skip_test("%s is not here: run from the repository's root", folder);
    while ((entry = readdir(d)) && c->count < MOST_SEEDS)
        if (entry->d_name[0] != '.')
            snprintf(c->names[c->count++], sizeof c->names[0], "%s", entry->d_name);
    closedir(d);
    qsort(c->names, c->count, sizeof c->names[0], by_name); /* the same on every file system */
    for (size_t i = 0; i < c->count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, c->names[i]);
        cr_assert_eq(spa_read_file(path, 1 << 20, true, &c->data[i], &c->size[i], &err), SPA_OK,
                     "%s", err.message);
    }
    cr_assert_gt(c->count, 0);
}

static void unload(corpus *c)
{
    for (size_t i = 0; i < c->count; i++) free(c->data[i]);
}

/* ---- the mutator --------------------------------------------------------------------------------
 */

typedef struct mutant {
    uint8_t data[MOST_BYTES];
    size_t size;
} mutant;

static void splice(mutant *m, size_t at, size_t removed, const void *bytes, size_t n)
{
    if (removed > m->size - at) removed = m->size - at;
    if (m->size - removed + n > MOST_BYTES) return;
    memmove(m->data + at + n, m->data + at + removed, m->size - at - removed);
    memcpy(m->data + at, bytes, n);
    m->size = m->size - removed + n;
}

/* One change: a bit, a byte, a piece gone or doubled, a word that parsers stumble over, a piece of
 * another seed. */
static void mutate(mutant *m, const corpus *c, spa_rng *rng)
{
    static const char *const words[] = {"nan",
                                        "-1",
                                        "1e999",
                                        "\"",
                                        ",",
                                        "\n",
                                        "[",
                                        "]",
                                        "=",
                                        "#",
                                        "65537",
                                        ";",
                                        "0x10",
                                        "\r",
                                        ":",
                                        "@",
                                        " ",
                                        "0",
                                        "1e-400",
                                        "inf",
                                        "-0",
                                        "\xff",
                                        "--",
                                        "'",
                                        "9223372036854775808",
                                        "=\n",
                                        "%s%n",
                                        "18446744073709551616"};
    uint8_t piece[256];
    size_t at = spa_rng_below(rng, (uint32_t)m->size + 1);
    size_t n = 1 + spa_rng_below(rng, spa_rng_below(rng, 4) ? 8 : 256);
    size_t other = spa_rng_below(rng, (uint32_t)c->count);
    size_t start = spa_rng_below(rng, (uint32_t)c->size[other] + 1);
    switch (spa_rng_below(rng, 7)) {
    case 0:
        if (at < m->size) m->data[at] ^= (uint8_t)(1u << spa_rng_below(rng, 8));
        break;
    case 1:
        if (at < m->size) m->data[at] = (uint8_t)spa_rng_u32(rng);
        break;
    case 2:
        splice(m, at, n, "", 0);
        break;
    case 3: /* double */
        if (n > m->size - at) n = m->size - at;
        if (n > sizeof piece) n = sizeof piece;
        memcpy(piece, m->data + at, n);
        splice(m, at, 0, piece, n);
        break;
    case 4: {
        const char *word = words[spa_rng_below(rng, sizeof words / sizeof *words)];
        splice(m, at, spa_rng_below(rng, 2) ? n % 8 : 0, word, strlen(word));
        break;
    }
    case 5:
        if (n > c->size[other] - start) n = c->size[other] - start;
        splice(m, at, spa_rng_below(rng, 2) ? n : 0, c->data[other] + start, n);
        break;
    default:
        m->size = at;
        break; /* truncate */
    }
}

/* Seeds first, then `rounds` mutants of 1 .. 4 changes. */
static void run_target(const char *parser, fuzz_target *target, int rounds)
{
    static mutant m;
    corpus c;
    spa_rng rng;
    load(&c, parser);
    spa_rng_init(&rng, 1, parser);
    for (size_t i = 0; i < c.count; i++) target((const uint8_t *)c.data[i], c.size[i]);
    for (int round = 0; round < rounds; round++) {
        size_t seed = spa_rng_below(&rng, (uint32_t)c.count);
        m.size = c.size[seed] < MOST_BYTES ? c.size[seed] : MOST_BYTES;
        memcpy(m.data, c.data[seed], m.size);
        for (uint32_t k = 1 + spa_rng_below(&rng, 4); k > 0; k--) mutate(&m, &c, &rng);
        uint8_t *exact = malloc(m.size ? m.size : 1); /* a sanitizer sees reads past the end */
        memcpy(exact, m.data, m.size);
        target(exact, m.size);
        free(exact);
    }
    unload(&c);
}

Test(fuzz, csv_tables)
{
    alarm(300);
    run_target("csv", fuzz_csv, 10000);
}
Test(fuzz, ini_files)
{
    alarm(300);
    run_target("ini", fuzz_ini, 10000);
}
Test(fuzz, graph_files)
{
    alarm(300);
    run_target("graph", fuzz_graph, 3000);
}
Test(fuzz, onnx_models)
{
    alarm(300);
    run_target("onnx", fuzz_onnx, 10000);
}
Test(fuzz, scenario_files)
{
    alarm(300);
    run_target("scenario", fuzz_scenario, 10000);
}
Test(fuzz, schedule_files)
{
    alarm(300);
    run_target("schedule", fuzz_schedule, 10000);
}
Test(fuzz, parameters)
{
    alarm(300);
    run_target("params", fuzz_params, 20000);
}
Test(fuzz, command_lines)
{
    alarm(300);
    run_target("options", fuzz_options, 10000);
}
Test(fuzz, device_files)
{
    alarm(300);
    run_target("device", fuzz_device, 800);
}
Test(fuzz, event_logs)
{
    alarm(300);
    run_target("slog", fuzz_slog, 1500);
}
Test(fuzz, trace_folders)
{
    alarm(300);
    run_target("trace", fuzz_trace, 800);
}
Test(fuzz, learned_policies)
{
    alarm(300);
    run_target("actor", fuzz_actor, 1500);
}
Test(fuzz, experiment_files)
{
    alarm(300);
    run_target("experiment", fuzz_experiment, 1000);
}
Test(fuzz, predictors_of_thresholds)
{
    alarm(300);
    run_target("predictor", fuzz_predictor, 1000);
}
Test(fuzz, checkpoints_of_training)
{
    alarm(300);
    run_target("checkpoint", fuzz_checkpoint, 1500);
}

/* The checks themselves can fail: a parser that accepts anything would be noticed. */
static int careless(const uint8_t *data, size_t size)
{
    spa_string a = {0}, b = {0};
    spa_string_append(&a, "%zu", size);
    spa_string_append(&b, "%zu", size + (size > 20));
    fuzz_equal(&a, &b);
    spa_string_fini(&a);
    spa_string_fini(&b);
    return 0;
}
Test(fuzz, a_text_that_changes_when_it_is_read_back_is_noticed, .signal = SIGABRT)
{
    run_target("csv", careless, 100);
}
static int silent(const uint8_t *data, size_t size)
{
    spa_error err = {.status = SPA_E_PARSE};
    fuzz_error(SPA_E_PARSE, &err);
    return 0;
}
Test(fuzz, an_error_without_a_message_is_noticed, .signal = SIGABRT)
{
    run_target("csv", silent, 1);
}
