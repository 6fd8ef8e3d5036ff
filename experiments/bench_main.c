/* `make bench`: one line per figure: name, value, unit, and the peer's value and ratio. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "experiments/bench.h"

static const char usage[] =
    "usage: bench [--json] [--quick] [engine] [environment] [compare] [kernels] [learn] "
    "[decision]\n"
    "Measures the engine, the scheduling environment, `sparoa compare`, the CPU kernels, learning\n"
    "and policies' decisions on this machine. Medians of interleaved repetitions; ratios are the "
    "figures to trust on a shared machine.\n";

static void print_table(const bench_report *report)
{
    printf("%-52s %12s %-12s %-28s %8s  %s\n", "figure", "value", "unit", "peer", "ratio",
           "target");
    for (size_t i = 0; i < report->n; i++) {
        const bench_figure *f = &report->figures[i];
        char peer[96] = "", ratio[32] = "", target[48] = "";
        bool rate = strstr(f->unit, "/s") || !strcmp(f->unit, "x");
        if (f->peer[0]) {
            snprintf(peer, sizeof peer, "%s %.4g", f->peer, f->peer_value);
            snprintf(ratio, sizeof ratio, "%.2f", f->value / f->peer_value);
        }
        if (!isnan(f->target))
            snprintf(target, sizeof target, "%s %g: %s", rate ? ">=" : "<=", f->target,
                     (rate ? f->value >= f->target : f->value <= f->target) ? "met" : "MISSED");
        printf("%-52s %12.4g %-12s %-28s %8s  %s\n", f->name, f->value, f->unit, peer, ratio,
               target);
    }
}

static int print_json(const bench_report *report)
{
    json_t *doc = json_object(), *list = json_array();
    int failed;
    for (size_t i = 0; i < report->n; i++) {
        const bench_figure *f = &report->figures[i];
        json_t *o =
            json_pack("{s:s, s:f, s:s}", "name", f->name, "value", f->value, "unit", f->unit);
        if (f->peer[0]) {
            json_object_set_new(o, "peer", json_string(f->peer));
            json_object_set_new(o, "peer_value", json_real(f->peer_value));
            json_object_set_new(o, "ratio", json_real(f->value / f->peer_value));
        }
        if (!isnan(f->target)) json_object_set_new(o, "target", json_real(f->target));
        json_array_append_new(list, o);
    }
    json_object_set_new(doc, "schema", json_string("sparoa.bench/1"));
    json_object_set_new(doc, "figures", list);
    failed = json_dumpf(doc, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(doc);
    return failed;
}

int main(int argc, char **argv)
{
    typedef spa_status (*part)(bench_report *, spa_error *);
    static const struct {
        const char *name;
        part run;
    } parts[] = {{"engine", bench_engine},   {"environment", bench_environment},
                 {"compare", bench_compare}, {"kernels", bench_kernels},
                 {"learn", bench_learn},     {"decision", bench_decision}};
    enum { N_PARTS = sizeof parts / sizeof *parts };
    static bench_report report;
    bool json = false, chosen[N_PARTS] = {false}, any = false;
    spa_error err;
    report.seconds = 1;
    for (int i = 1; i < argc; i++) {
        bool known = true;
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--quick") == 0) {
            report.seconds = 0.1;
        } else {
            known = false;
            for (int k = 0; k < N_PARTS; k++)
                if (strcmp(argv[i], parts[k].name) == 0) known = any = chosen[k] = true;
        }
        if (!known) {
            fputs(usage, stderr);
            return strcmp(argv[i], "--help") == 0 ? 0 : 2;
        }
    }
    for (int k = 0; k < N_PARTS; k++) {
        if (any && !chosen[k]) continue;
        fprintf(stderr, "bench: %s ...\n", parts[k].name);
        if (parts[k].run(&report, &err)) {
            fprintf(stderr, "bench: %s: %s\n", parts[k].name, err.message);
            return 1;
        }
    }
    if (json) return print_json(&report) ? 1 : 0;
    print_table(&report);
    return 0;
}
