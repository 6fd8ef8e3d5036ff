#include "experiments/options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "devices/device.h"
#include "policies/learn/crew.h"
#include "traces/graph.h"

typedef enum option_kind {
    KIND_FLAG,   /* bool */
    KIND_TEXT,   /* const char * */
    KIND_LIST,   /* spa_names, one per use */
    KIND_COMMAS, /* spa_names, comma list */
    KIND_INT,    /* int64_t within min..max */
    KIND_SIZE,   /* int64_t bytes: 512M, 2G */
    KIND_REAL,   /* double > 0 */
    KIND_CHOICE  /* int, one of a list of words */
} option_kind;

typedef struct choice {
    const char *word;
    int value;
} choice;

typedef struct option {
    const char *name, *value, *help; /* value: what stands for it in the help */
    unsigned commands;
    option_kind kind;
    size_t offset; /* in spa_options */
    int64_t min, max;
    const choice *choices;
} option;

static const choice on_off[] = {{"on", 1}, {"off", 0}, {NULL, 0}};
static const choice dtypes[] = {{"fp32", SPA_FP32}, {"fp16", SPA_FP16}, {NULL, 0}};
static const choice ranges[] = {{"low", SPA_RANGE_LOW},
                                {"mid", SPA_RANGE_MID},
                                {"high", SPA_RANGE_HIGH},
                                {"all", SPA_RANGES},
                                {NULL, 0}};
static const choice missing[] = {{"model", 1}, {NULL, 0}};
static const choice objectives[] = {{"latency", SPA_OBJECTIVE_LATENCY},
                                    {"energy", SPA_OBJECTIVE_ENERGY},
                                    {"edp", SPA_OBJECTIVE_EDP},
                                    {"throughput", SPA_OBJECTIVE_THROUGHPUT},
                                    {NULL, 0}};

#define AT(field) offsetof(spa_options, field)
#define RUNS      (SPA_CMD_SIMULATE | SPA_CMD_COMPARE)
#define WORK      (RUNS | SPA_CMD_INSPECT | SPA_CMD_TRAIN)
#define NO_TRAIN  (~(unsigned)SPA_CMD_TRAIN)
#define HARDWARE  (SPA_CMD_VALIDATE | SPA_CMD_REPLAY | SPA_CMD_CALIBRATE)
#define ALL       (~0u)

static const option table[] = {
    {"--device", "D", "device: a name, name@mode or a *.device file; repeat for several", WORK,
     KIND_LIST, AT(devices), 0, 0, NULL},
    {"--policy", "P", "policy, with parameters after colons; repeat, or a comma list, or 'all'",
     RUNS | SPA_CMD_VALIDATE | SPA_CMD_POLICIES, KIND_COMMAS, AT(policies), 0, 0, NULL},
    {"--baseline", "B",
     "compare with this baseline ('sparoa baselines' lists them); repeat, or a comma list, or "
     "'all'",
     SPA_CMD_COMPARE, KIND_COMMAS, AT(baselines), 0, 0, NULL},
    {"--baseline-range", "E",
     "which end of factors that nobody measured: low (fastest), mid (default), high, or all",
     SPA_CMD_COMPARE, KIND_CHOICE, AT(baseline_range), 0, 0, ranges},
    {"--rewrite", "R", "fuse operators first: none (default), fold-bn, tvm or tensorrt",
     (WORK & NO_TRAIN), KIND_TEXT, AT(rewrite), 0, 0, NULL},
    {"--stack", "S", "software stack whose costs are used (default: the device's)", WORK, KIND_TEXT,
     AT(stack), 0, 0, NULL},
    {"--lanes", "L", "processor lanes, e.g. cpu:0-3,gpu:0 or cpu:0=sparse,cpu:1=blas",
     WORK | SPA_CMD_PROFILE | HARDWARE, KIND_TEXT, AT(lanes), 0, 0, NULL},
    {"--batch", "N", "inputs per request (default 1)",
     (WORK & NO_TRAIN) | SPA_CMD_PROFILE | SPA_CMD_MODELS | SPA_CMD_EXPORT, KIND_INT, AT(batch), 1,
     4096, NULL},
    {"--batch", "N", "inputs per request (default 1); several (1,8,32): learn for all of them",
     SPA_CMD_TRAIN, KIND_COMMAS, AT(batches), 0, 0, NULL},
    {"--dtype", "T", "fp32 or fp16 (default fp32)", WORK, KIND_CHOICE, AT(dtype), 0, 0, dtypes},
    {"--scenario", "F",
     "single (default), closed, periodic, poisson, bursty, ... (sparoa scenarios) or a file",
     RUNS | SPA_CMD_REPLAY, KIND_TEXT, AT(scenario), 0, 0, NULL},
    {"--scenario", "F",
     "single (default), closed, periodic, poisson, *.scenario; several: learn in all, compare in "
     "the first",
     SPA_CMD_TRAIN, KIND_COMMAS, AT(scenarios), 0, 0, NULL},
    {"--concurrency", "N", "requests in flight at once; more than 1 makes the scenario closed",
     RUNS | SPA_CMD_TRAIN | SPA_CMD_VALIDATE | SPA_CMD_REPLAY, KIND_INT, AT(concurrency), 1, 65536,
     NULL},
    {"--rate", "HZ", "requests per second of the scenarios periodic and poisson",
     RUNS | SPA_CMD_TRAIN | SPA_CMD_REPLAY, KIND_REAL, AT(rate_hz), 0, 0, NULL},
    {"--requests", "N", "requests per replication (default: the scenario's)",
     RUNS | SPA_CMD_TRAIN | SPA_CMD_REPLAY, KIND_INT, AT(requests), 1, INT64_C(1000000000), NULL},
    {"--batcher", "B",
     "none (default), fixed, timeout, sparoa, bounded, with parameters after colons (sparoa "
     "batchers)",
     RUNS, KIND_TEXT, AT(batcher), 0, 0, NULL},
    {"--objective", "O", "latency (default), energy, edp or throughput", RUNS | SPA_CMD_TRAIN,
     KIND_CHOICE, AT(objective), 0, 0, objectives},
    {"--reps", "R", "replications (default 30; 1 with --noise=off)", RUNS | SPA_CMD_TRAIN, KIND_INT,
     AT(reps), 1, 1000000, NULL},
    {"--seed", "S", "seed of all random draws (default 1)",
     RUNS | SPA_CMD_TRAIN | SPA_CMD_PROFILE | HARDWARE | SPA_CMD_EXPORT, KIND_INT, AT(seed), 0,
     INT64_MAX, NULL},
    {"--jobs", "J", "threads (default 1); results do not depend on it", RUNS | SPA_CMD_RUN,
     KIND_INT, AT(jobs), 1, 256, NULL},
    {"--ablate", "C",
     "switch components off: predictor, contention, overlap, batching, sparsity, noise, cost", RUNS,
     KIND_COMMAS, AT(ablate), 0, 0, NULL},
    {"--quick", NULL, "what the files' [quick] sections say: fewer rows and replications",
     SPA_CMD_RUN, KIND_FLAG, AT(quick), 0, 0, NULL},
    {"--budget", "N", "evaluations that a searching policy may spend (default 1000)",
     RUNS | SPA_CMD_TRAIN | SPA_CMD_VALIDATE, KIND_INT, AT(budget), 1, INT64_C(1000000000000),
     NULL},
    {"--noise", "on|off", "variation from run to run (default on)", RUNS | SPA_CMD_TRAIN,
     KIND_CHOICE, AT(noise), 0, 0, on_off},
    {"--policy-cost", "on|off", "charge the policies' decision time (default on)",
     RUNS | SPA_CMD_TRAIN, KIND_CHOICE, AT(policy_cost), 0, 0, on_off},
    {"--contention", "on|off", "operators that run at once slow each other down (default on)",
     RUNS | SPA_CMD_TRAIN, KIND_CHOICE, AT(contention), 0, 0, on_off},
    {"--steps", "N", "decisions to learn from (default 200000)", SPA_CMD_TRAIN, KIND_INT, AT(steps),
     1, INT64_C(1000000000000), NULL},
    {"--threads", "N", "threads that train together (default 1; ppo only); the result is the same",
     SPA_CMD_TRAIN, KIND_INT, AT(threads), 1, SPA_CREW_MOST, NULL},
    {"--vary-speed", "X",
     "vary the devices: each processor's kernels up to X times as fast or slow", SPA_CMD_TRAIN,
     KIND_REAL, AT(vary_speed), 0, 0, NULL},
    {"--vary-launch", "X", "the same for launches", SPA_CMD_TRAIN, KIND_REAL, AT(vary_launch), 0, 0,
     NULL},
    {"--vary-transfer", "X", "the same for each link", SPA_CMD_TRAIN, KIND_REAL, AT(vary_transfer),
     0, 0, NULL},
    {"--variants", "N", "varied copies of each device beside itself (default 8, if it is varied)",
     SPA_CMD_TRAIN, KIND_INT, AT(variants), 1, 4096, NULL},
    {"--patience", "N",
     "stop after N evaluations (50 in all) in a row without a better one (default: never)",
     SPA_CMD_TRAIN, KIND_INT, AT(patience), 1, 1000000, NULL},
    {"--thresholds", "F",
     "observe the thresholds of this predictor ('shipped': the one that comes with the device)",
     SPA_CMD_TRAIN, KIND_TEXT, AT(thresholds), 0, 0, NULL},
    {"--checkpoint", "F", "keep all that going on needs here; go on from it if it is there",
     SPA_CMD_TRAIN, KIND_TEXT, AT(checkpoint), 0, 0, NULL},
    {"--missing", "model", "model what a measured trace lacks, instead of an error", WORK,
     KIND_CHOICE, AT(missing_model), 0, 0, missing},
    {"--plugin", "F.so", "policies and batchers from this shared object, too; repeat for several",
     RUNS | SPA_CMD_VALIDATE | SPA_CMD_RUN | SPA_CMD_TRAIN | SPA_CMD_POLICIES | SPA_CMD_BATCHERS,
     KIND_LIST, AT(plugin_files), 0, 0, NULL},
    {"--check", "F.so",
     "check the policies and batchers of this plug-in against the rules that all must keep",
     SPA_CMD_POLICIES, KIND_LIST, AT(checks), 0, 0, NULL},
    {"--isolate", NULL,
     "run each policy in a process of its own: one that crashes or does not end is skipped",
     SPA_CMD_COMPARE | SPA_CMD_RUN, KIND_FLAG, AT(isolate), 0, 0, NULL},
    {"--time-limit", "S", "seconds such a process may take (default 300; --check: 60)",
     SPA_CMD_COMPARE | SPA_CMD_RUN | SPA_CMD_POLICIES, KIND_REAL, AT(time_limit_s), 0, 0, NULL},
    {"--timeline", "F.json", "write the timeline as Perfetto/Chrome trace JSON",
     SPA_CMD_SIMULATE | SPA_CMD_LOG, KIND_TEXT, AT(timeline), 0, 0, NULL},
    {"--csv", "F.csv", "write the events as CSV, one row each", SPA_CMD_LOG, KIND_TEXT, AT(csv), 0,
     0, NULL},
    {"--csv", "F.csv", "write what --json prints as a table instead, one row per innermost object",
     ALL & ~(unsigned)SPA_CMD_LOG, KIND_TEXT, AT(csv), 0, 0, NULL},
    {"--gantt", "F.svg", "draw a Gantt chart: *.svg or *.png; repeat for both",
     SPA_CMD_SIMULATE | SPA_CMD_REPLAY, KIND_LIST, AT(gantt), 0, 0, NULL},
    {"--schedule", "F.csv", "write where and in which order operators ran", SPA_CMD_SIMULATE,
     KIND_TEXT, AT(schedule), 0, 0, NULL},
    {"--log", "F.slog", "write the event log (of the first replication)", SPA_CMD_SIMULATE,
     KIND_TEXT, AT(log), 0, 0, NULL},
    {"--chart", "F.svg", "draw the comparison as bars: *.svg or *.png; repeat for both",
     SPA_CMD_COMPARE, KIND_LIST, AT(chart), 0, 0, NULL},
    {"--curve", "F.svg", "draw the learning curve: *.svg or *.png; repeat for both", SPA_CMD_TRAIN,
     KIND_LIST, AT(chart), 0, 0, NULL},
    {"--scatter", "F.svg", "draw measured over simulated, a point per schedule; repeat for both",
     SPA_CMD_VALIDATE, KIND_LIST, AT(chart), 0, 0, NULL},
    {"--db", "F", "store every result in this SQLite database",
     RUNS | SPA_CMD_TRAIN | SPA_CMD_VALIDATE | SPA_CMD_REPLAY, KIND_TEXT, AT(db), 0, 0, NULL},
    {"--db", "F", "the results to show: a database that run, compare, validate wrote",
     SPA_CMD_FIGURES | SPA_CMD_REPORT, KIND_TEXT, AT(db), 0, 0, NULL},
    {"--shard", "I/N", "run the rows of shard I of N alone; `sparoa merge` joins their databases",
     SPA_CMD_RUN, KIND_TEXT, AT(shard), 0, 0, NULL},
    {"--force", NULL, "make figures anew that are up to date, too", SPA_CMD_FIGURES, KIND_FLAG,
     AT(force), 0, 0, NULL},
    {"--db", "F", "the database of the results (default results.db)", SPA_CMD_RUN, KIND_TEXT,
     AT(db), 0, 0, NULL},
    {"--model", "M", "the model that was profiled: a zoo name or *.graph.csv", SPA_CMD_IMPORT,
     KIND_TEXT, AT(model), 0, 0, NULL},
    {"--layers", "F.json", "trtexec: the file of --exportLayerInfo, which names the model's nodes",
     SPA_CMD_IMPORT, KIND_TEXT, AT(layers), 0, 0, NULL},
    {"--batch", "N", "inputs per inference of the profile (default 1)", SPA_CMD_IMPORT, KIND_INT,
     AT(batch), 1, 4096, NULL},
    {"--dtype", "T", "what was computed in: fp32 or fp16 (default fp32)", SPA_CMD_IMPORT,
     KIND_CHOICE, AT(dtype), 0, 0, dtypes},
    {"--shape", "NAME=SHAPE",
     "onnx: shape of an input with open dimensions, e.g. ids=1x128; repeat for several",
     SPA_CMD_IMPORT, KIND_LIST, AT(shapes), 0, 0, NULL},
    {"--fold-bn", NULL, "onnx: batch norms become part of the convolution before them",
     SPA_CMD_IMPORT, KIND_FLAG, AT(fold_bn), 0, 0, NULL},
    {"--from", "S", "tegrastats: from this time on, s since the first line", SPA_CMD_IMPORT,
     KIND_REAL, AT(from_s), 0, 0, NULL},
    {"--until", "S", "tegrastats: until this time", SPA_CMD_IMPORT, KIND_REAL, AT(until_s), 0, 0,
     NULL},
    {"--output", "F.graph.csv", "write the graph, fused or not, to this file (also -o)",
     SPA_CMD_INSPECT, KIND_TEXT, AT(output), 0, 0, NULL},
    {"--output", "PATH", "folder or file to write (also -o)",
     SPA_CMD_IMPORT | SPA_CMD_TRAIN | SPA_CMD_PROFILE | SPA_CMD_CALIBRATE | SPA_CMD_FIGURES |
         SPA_CMD_REPORT | SPA_CMD_EXPORT,
     KIND_TEXT, AT(output), 0, 0, NULL},
    {"--runs", "N", "inferences measured per visit (default 10)", SPA_CMD_PROFILE | HARDWARE,
     KIND_INT, AT(reps), 1, 10000, NULL},
    {"--rounds", "N", "visits of each schedule, interleaved (default 4)",
     SPA_CMD_PROFILE | HARDWARE, KIND_INT, AT(rounds), 1, 1000, NULL},
    {"--schedules", "N", "random schedules beside those of the policies (default 100)",
     SPA_CMD_VALIDATE | SPA_CMD_CALIBRATE, KIND_INT, AT(schedules), 0, 10000, NULL},
    {"--trace", "DIR", "use this profile of the lanes instead of measuring one first", HARDWARE,
     KIND_TEXT, AT(trace), 0, 0, NULL},
    {"--max-memory", "M", "bytes of data the program may use: 512M, 2G (default: no limit)",
     WORK | SPA_CMD_RUN | SPA_CMD_PROFILE | HARDWARE | SPA_CMD_POLICIES, KIND_SIZE,
     AT(max_memory_bytes), 0, 0, NULL},
    {"--json", NULL, "print one JSON document instead of tables", ALL, KIND_FLAG, AT(json), 0, 0,
     NULL},
    {"--graphs", NULL,
     "on asynchronous lanes run what the schedule allows at a stretch as one recorded graph: "
     "fastest, but timed as a whole",
     SPA_CMD_REPLAY, KIND_FLAG, AT(graphs), 0, 0, NULL},
    {"--quiet", NULL, "no progress and no notes on the standard error", ALL, KIND_FLAG, AT(quiet),
     0, 0, NULL},
    {"--help", NULL, "explain this command (also -h)", ALL, KIND_FLAG, AT(help), 0, 0, NULL},
};
enum { N_OPTIONS = sizeof table / sizeof *table };

void spa_options_defaults(spa_options *o, const char *command)
{
    memset(o, 0, sizeof *o);
    o->command = command;
    o->dtype = -1;
    o->objective = SPA_OBJECTIVE_LATENCY;
    o->seed = 1;
    o->schedules = -1;
    o->jobs = 1;
    o->budget = 1000;
    o->noise = o->policy_cost = o->contention = 1;
    o->scales = (spa_scales){1, 1, 1, 1, 1};
    spa_arena_init(&o->arena);
}

spa_status spa_names_add(spa_options *options, spa_names *names, const char *text, spa_error *err)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 8;
        const char **items;
        SPA_TRY(spa_arena_alloc(&options->arena, &items, capacity, sizeof *items, err));
        if (names->count) memcpy(items, names->items, names->count * sizeof *items);
        names->items = items;
        names->capacity = capacity;
    }
    names->items[names->count++] = text;
    return SPA_OK;
}

/* SPA_E_USAGE with the option's name in front of what `cause` says. */
static spa_status bad_value(spa_error *err, const option *o, const spa_error *cause)
{
    return spa_fail(err, SPA_E_USAGE, "%s: %s", o->name, cause->message);
}

static spa_status add_commas(spa_options *options, const option *o, const char *text,
                             spa_error *err)
{
    spa_names *names = (spa_names *)(void *)((char *)options + o->offset);
    for (;;) {
        const char *comma = strchr(text, ',');
        size_t length = comma ? (size_t)(comma - text) : strlen(text);
        if (length == 0) {
            return spa_fail(err, SPA_E_USAGE, "%s: an empty name in the list", o->name);
        }
        char *item;
        SPA_TRY(spa_arena_alloc(&options->arena, &item, length + 1, 1, err));
        memcpy(item, text, length);
        SPA_TRY(spa_names_add(options, names, item, err));
        if (!comma) return SPA_OK;
        text = comma + 1;
    }
}

/* "512M" and the like; K, M, G are powers of 1024. */
static spa_status parse_size(const char *text, int64_t *out, spa_error *err)
{
    char digits[32];
    size_t n = strlen(text);
    int shift = 0;
    if (n > 1) {
        char unit = text[n - 1];
        shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
        if (shift) n--;
    }
    int64_t value;
    if (n >= sizeof digits || n == 0) goto bad;
    memcpy(digits, text, n);
    digits[n] = '\0';
    if (!spa_parse_i64(digits, &value) || value < 1) goto bad;
    if (!spa_mul_i64(value, INT64_C(1) << shift, out)) goto bad;
    return SPA_OK;
bad:
    return spa_fail(err, SPA_E_USAGE, "'%.60s' is no size in bytes; write e.g. 512M or 2G", text);
}

static spa_status set_choice(spa_options *options, const option *o, const char *text,
                             spa_error *err)
{
    const char *words[8];
    size_t count = 0;
    for (const choice *c = o->choices; c->word; c++) {
        if (strcmp(c->word, text) == 0) {
            *(int *)(void *)((char *)options + o->offset) = c->value;
            return SPA_OK;
        }
        words[count++] = c->word;
    }
    spa_error cause;
    spa_fail_unknown(&cause, "value", text, words, count);
    return bad_value(err, o, &cause);
}

static spa_status set_value(spa_options *options, const option *o, const char *text, spa_error *err)
{
    void *field = (char *)options + o->offset;
    spa_error cause;
    spa_status status = SPA_OK;
    switch (o->kind) {
    case KIND_FLAG:
        *(bool *)field = true;
        return SPA_OK;
    case KIND_TEXT:
        *(const char **)field = text;
        return SPA_OK;
    case KIND_LIST:
        return spa_names_add(options, field, text, err);
    case KIND_COMMAS:
        return add_commas(options, o, text, err);
    case KIND_INT:
        status = spa_parse_i64_in(text, o->min, o->max, field, &cause);
        break;
    case KIND_SIZE:
        status = parse_size(text, field, &cause);
        break;
    case KIND_REAL:
        status = spa_parse_double_in(text, 1e-6, 1e9, field, &cause);
        break;
    case KIND_CHOICE:
        return set_choice(options, o, text, err);
    }
    return status == SPA_OK ? SPA_OK : bad_value(err, o, &cause);
}

static spa_status find_option(const char *name, const char *command, unsigned bit,
                              const option **out, spa_error *err)
{
    const char *names[N_OPTIONS];
    size_t count = 0;
    if (strcmp(name, "-h") == 0) name = "--help";
    if (strcmp(name, "-o") == 0) name = "--output";
    bool elsewhere = false; /* an option may stand twice, for different commands */
    for (size_t i = 0; i < N_OPTIONS; i++) {
        bool here = (table[i].commands & bit) != 0, same = strcmp(table[i].name, name) == 0;
        if (here && same) {
            *out = &table[i];
            return SPA_OK;
        }
        elsewhere |= same;
        if (here) names[count++] = table[i].name;
    }
    if (elsewhere)
        return spa_fail(err, SPA_E_USAGE, "'%s' takes no %s; see 'sparoa %s --help'", command, name,
                        command);
    if (spa_nearest_name(name, names, count) < 0) {
        return spa_fail(err, SPA_E_USAGE, "unknown option '%.200s'; see 'sparoa %s --help'", name,
                        command);
    }
    spa_fail_unknown(err, "option", name, names, count);
    return err ? (err->status = SPA_E_USAGE) : SPA_E_USAGE;
}

/* argv[*i] is an option; steps over its value. `seen` marks what was given. */
static spa_status parse_option(spa_options *options, unsigned bit, int argc, char *const *argv,
                               int *i, bool *seen, spa_error *err)
{
    const char *text = argv[*i];
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    char name[64];
    if (length >= sizeof name) length = sizeof name - 1;
    memcpy(name, text, length);
    name[length] = '\0';
    const option *o = NULL;
    SPA_TRY(find_option(name, options->command, bit, &o, err));

    bool repeats = o->kind == KIND_LIST || o->kind == KIND_COMMAS;
    if (seen[o - table] && !repeats) {
        return spa_fail(err, SPA_E_USAGE, "%s is given twice", o->name);
    }
    seen[o - table] = true;
    if (o->kind == KIND_FLAG) {
        if (equals) return spa_fail(err, SPA_E_USAGE, "%s takes no value", o->name);
        return set_value(options, o, NULL, err);
    }
    const char *value = equals ? equals + 1 : *i + 1 < argc ? argv[++*i] : "";
    if (!*value || (!equals && value[0] == '-' && value[1] == '-')) {
        return spa_fail(err, SPA_E_USAGE, "%s needs a value: %s %s (%s)", o->name, o->name,
                        o->value, o->help);
    }
    return set_value(options, o, value, err);
}

spa_status spa_options_parse(spa_options *options, const char *command, unsigned command_bit,
                             int argc, char *const *argv, int first, spa_error *err)
{
    spa_options_defaults(options, command);
    bool seen[N_OPTIONS] = {false};
    bool operands_only = false;
    for (int i = first; i < argc; i++) {
        const char *text = argv[i];
        if (!operands_only && strcmp(text, "--") == 0) {
            operands_only = true;
        } else if (!operands_only && text[0] == '-' && text[1] != '\0') {
            SPA_TRY(parse_option(options, command_bit, argc, argv, &i, seen, err));
        } else {
            SPA_TRY(spa_names_add(options, &options->operands, text, err));
        }
    }
    return SPA_OK;
}

void spa_options_fini(spa_options *options)
{
    spa_arena_fini(&options->arena);
}

size_t spa_option_count(void)
{
    return N_OPTIONS;
}

spa_option_info spa_option_describe(size_t i)
{
    const option *o = &table[i];
    spa_option_info info = {
        .name = o->name, .value = o->value, .help = o->help, .commands = o->commands};
    const size_t most = sizeof info.words / sizeof *info.words - 1;
    for (size_t k = 0; o->choices && o->choices[k].word && k < most; k++)
        info.words[k] = o->choices[k].word;
    return info;
}

void spa_options_help(spa_string *out, unsigned command_bit)
{
    spa_string_append(out, "Options:\n");
    for (size_t i = 0; i < N_OPTIONS; i++) {
        if (!(table[i].commands & command_bit)) continue;
        char left[40];
        snprintf(left, sizeof left, "%s%s%s", table[i].name, table[i].value ? " " : "",
                 table[i].value ? table[i].value : "");
        spa_string_append(out, "  %-22s %s\n", left, table[i].help);
    }
}
