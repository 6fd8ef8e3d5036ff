#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/ablate.h"
#include "experiments/json.h"
#include "experiments/parts.h"
#include "experiments/runs.h"
#include "experiments/table.h"

/* ---------------------------------------------------------------- text */

/* Is there a policy that splits, on a table that is better than what is known of parts? */
static bool splits_measured(const spa_runs *runs, size_t c)
{
    for (size_t i = 0; i < runs->policies.count; i++) {
        const spa_outcome *o = spa_runs_outcome(runs, c, i);
        if (o->splits) return runs->cases[c].costs.origin > SPA_ORIGIN_MODELLED;
    }
    return false;
}

/* What else the machine does: never measured, whatever the times are. */
static void print_conditions(const spa_conditions *c, spa_string *out)
{
    static const char *const governors[] = {"fixed", "schedutil", "list"};
    if (!spa_conditions_any(c)) return;
    spa_string_append(out, "\n  conditions (modelled, uncalibrated):");
    for (uint32_t i = 0; i < c->n_backgrounds; i++)
        spa_string_append(out, " load %g on %s %.0f %% of the time,", c->backgrounds[i].share,
                          c->backgrounds[i].processor,
                          100 * c->backgrounds[i].on_ms /
                              (c->backgrounds[i].on_ms + c->backgrounds[i].off_ms));
    if (c->zeros_sd > 0) spa_string_append(out, " zeros vary by request (sd %g),", c->zeros_sd);
    spa_string_append(out, " governor %s", governors[c->governor]);
    if (c->thermal.r_k_per_w > 0)
        spa_string_append(out, ", clocks x %g from %g C on with R = %g K/W, C = %g J/K",
                          c->thermal.cap, c->thermal.throttle_c, c->thermal.r_k_per_w,
                          c->thermal.c_j_per_k);
}

/* What the scenario comes to for this case: its rate, its deadline. */
static void print_arrivals(const spa_scenario *scenario, double service_ns, spa_string *out)
{
    spa_scenario s = *scenario;
    bool told = s.arrivals >= SPA_ARRIVALS_BURSTY || s.relative;
    spa_scenario_resolve(&s, service_ns);
    told = told && spa_scenario_rate(&s) > 0; /* one request, or all at one moment: no rate */
    if (told)
        spa_string_append(out, "\n  %.4g requests per second, load %.3g", spa_scenario_rate(&s),
                          spa_scenario_rate(&s) * service_ns * 1e-9);
    if (s.deadline_ms > 0)
        spa_string_append(out, "%sdeadline %.4g ms after arrival", told ? ", " : "\n  ",
                          s.deadline_ms);
}

void spa_runs_heading(const spa_runs *runs, size_t c, const spa_options *options, spa_string *out)
{
    const spa_case *k = &runs->cases[c];
    char origin[128], ablated[SPA_ABLATE_TEXT];
    uint64_t reps = spa_study_reps(options);
    spa_string_append(out, "%s on %s@%s\n", k->graph.name, k->costs.device, k->costs.mode);
    spa_string_append(out, "  stack %s%s, lanes %s, %s, ", k->costs.stack,
                      spa_runs_mixed(runs, c) ? " (mixed: baselines run on others)" : "",
                      k->costs.lanes, spa_case_dtype(k));
    if (spa_batcher_given(options))
        spa_string_append(out, "batcher %s, ", options->batcher);
    else
        spa_string_append(out, "batch %d, ", k->graph.batch);
    spa_string_append(out, "scenario %s", runs->scenario.name);
    if (runs->scenario.arrivals != SPA_ARRIVALS_SINGLE) {
        spa_string_append(out, " (%s%u in flight, %" PRIu64 " requests)",
                          spa_scenario_is_open(&runs->scenario) ? "at most " : "",
                          runs->scenario.concurrency, runs->scenario.requests);
    }
    print_arrivals(&runs->scenario, spa_case_service_ns(k), out);
    print_conditions(&runs->scenario.conditions, out);
    spa_string_append(out, "\n  objective %s, noise %s, %" PRIu64 " replication%s, seed %lld\n",
                      spa_objective_name((spa_objective)options->objective),
                      options->noise ? "on" : "off", reps, reps == 1 ? "" : "s",
                      (long long)options->seed);
    if (options->ablated)
        spa_string_append(out, "  switched off: %s\n", spa_ablate_text(options->ablated, ablated));
    spa_string_append(out, "  times: %s%s\n", spa_case_origin_text(k, origin),
                      splits_measured(runs, c) ? "; parts of split operators: modelled" : "");
}

/* Decimals that leave the fastest latency of a case at least three digits. */
static int latency_decimals(const spa_runs *runs, size_t c)
{
    int decimals = 3;
    double least = INFINITY;
    for (size_t i = 0; i < runs->policies.count; i++) {
        const spa_outcome *o = spa_runs_outcome(runs, c, i);
        if (!o->is_skipped && o->latency_ms < least) least = o->latency_ms;
    }
    for (double x = 0.1; least < x && decimals < 6; x /= 10) decimals++;
    return decimals;
}

static void print_row(spa_table *t, const spa_outcome *o, const char *stack, int decimals,
                      bool best, bool deadline)
{
    if (o->is_skipped) {
        spa_table_put(t, "%s", spa_outcome_label(o));
        spa_table_span(t, "skipped: %s", o->skipped);
        return;
    }
    spa_table_put(t, "%s%s", spa_outcome_label(o), best ? " *" : "");
    if (stack) spa_table_put(t, "%s", stack);
    spa_table_number(t, o->latency_ms, decimals);
    spa_table_number(t, o->ci95_ms, decimals);
    spa_table_number(t, o->p50_ms, decimals);
    spa_table_number(t, o->p95_ms, decimals);
    spa_table_number(t, o->p99_ms, decimals);
    spa_table_number(t, o->gap * 100, 1);
    spa_table_number(t, o->energy_mj, 2);
    spa_table_number(t, o->power_w, 2);
    spa_table_number(t, o->throughput_ips, 1);
    spa_table_number(t, o->gpu_share * 100, 1);
    spa_table_number(t, o->transfers, 1);
    spa_table_number(t, o->transfer_ms, 3);
    spa_table_number(t, o->overlap * 100, 0);
    spa_table_number(t, o->plan_host_ms, 1);
    if (deadline) spa_table_number(t, o->miss_rate * 100, 2);
    if (deadline) spa_table_number(t, o->tardiness_ms, decimals);
}

/* Half-width of the 95 % interval of the mean difference of two policies' latencies, ms: paired by
 * replication, because both saw the same random numbers. NaN = unknown. */
static double paired_ci(const spa_outcome *a, const spa_outcome *b)
{
    if (a->n_reps != b->n_reps || a->n_reps < 2) return NAN;
    spa_moments m = {0};
    for (uint64_t r = 0; r < a->n_reps; r++) spa_moments_add(&m, a->rep_ms[r] - b->rep_ms[r]);
    return spa_ci_half_width(m.count, spa_moments_sd(&m), 0.95);
}

static const char *value_text(const spa_outcome *o, spa_objective objective, char text[64])
{
    switch (objective) {
    case SPA_OBJECTIVE_ENERGY:
        snprintf(text, 64, "%.2f mJ", o->energy_mj);
        break;
    case SPA_OBJECTIVE_EDP:
        snprintf(text, 64, "%.3f uJ s", o->energy_mj * o->latency_ms);
        break;
    case SPA_OBJECTIVE_THROUGHPUT:
        snprintf(text, 64, "%.1f/s", o->throughput_ips);
        break;
    default:
        snprintf(text, 64, "%.4g ms", o->latency_ms);
        break;
    }
    return text;
}

/* How the best policy that uses several processors stands to the best that uses one. */
static void print_gain(const spa_runs *runs, size_t c, spa_objective objective, spa_string *out)
{
    int single = spa_runs_best(runs, c, objective, SPA_PICK_SINGLE);
    int hybrid = spa_runs_best(runs, c, objective, SPA_PICK_HYBRID);
    if (single < 0 || hybrid < 0) {
        spa_string_append(out, "  no policy %s.\n",
                          single < 0 ? "ran on one processor alone" : "used several processors");
        return;
    }
    const spa_outcome *s = spa_runs_outcome(runs, c, (size_t)single);
    const spa_outcome *h = spa_runs_outcome(runs, c, (size_t)hybrid);
    double gain = 1 - spa_outcome_value(h, objective) / spa_outcome_value(s, objective);
    char a[64], b[64];
    spa_string_append(
        out, "  best hybrid: %s, %s: %.1f %% %s than the best single processor (%s, %s)",
        spa_outcome_label(h), value_text(h, objective, a), fabs(gain) * 100,
        gain >= 0 ? "better" : "worse", spa_outcome_label(s), value_text(s, objective, b));
    if (objective == SPA_OBJECTIVE_LATENCY) {
        double difference = s->latency_ms - h->latency_ms, ci = paired_ci(s, h);
        if (isfinite(ci)) {
            spa_string_append(out, ";\n  difference %.4g +- %.2g ms (95 %%, paired)", difference,
                              ci);
            if (fabs(difference) <= ci) spa_string_append(out, ": they cannot be told apart");
        }
    }
    const char *other = spa_runs_case(runs, c, (size_t)single)->costs.stack;
    if (strcmp(spa_runs_case(runs, c, (size_t)hybrid)->costs.stack, other) != 0)
        spa_string_append(out, " (stacks are mixed)");
    spa_string_append(out, ".\n");
}

/* A policy that splits operators has a bound of its own. */
static void print_bound(const spa_runs *runs, size_t c, spa_string *out)
{
    double whole = (double)runs->cases[c].lower_bound_ns * 1e-6, least = whole;
    spa_string_append(out, "lower bound %.3f ms", whole);
    for (size_t i = 0; i < runs->policies.count; i++) {
        const spa_outcome *o = spa_runs_outcome(runs, c, i);
        if (!o->is_skipped && o->lower_bound_ms < least) least = o->lower_bound_ms;
    }
    if (least < whole) spa_string_append(out, ", %.3f ms with operators split", least);
    spa_string_append(out, " (noise off)\n");
}

static bool has_baselines(const spa_runs *runs)
{
    for (size_t i = 0; i < runs->policies.count; i++)
        if (runs->rows[i].baseline) return true;
    return false;
}

/* "heft is faster than tensorrt over its range: 1.42x, 1.1x to 1.9x". */
static void print_ranges(const spa_runs *runs, size_t c, spa_objective objective, spa_string *out)
{
    spa_range_verdict v;
    for (size_t n = 0; spa_runs_range_verdict(runs, c, objective, n, &v); n++) {
        const char *own = spa_outcome_label(spa_runs_outcome(runs, c, v.own));
        double low = v.low / v.own_value, high = v.high / v.own_value;
        bool told = strcmp(v.verdict, "cannot be told") != 0;
        spa_string_append(out, "  %s against %s: %s%s; it takes %.3gx as %s, %.3gx to %.3gx\n", own,
                          v.baseline->name, v.verdict, told ? " over its whole range" : "",
                          v.mid / v.own_value, objective == SPA_OBJECTIVE_LATENCY ? "long" : "much",
                          low < high ? low : high, low < high ? high : low);
    }
}

#define COLUMNS                                                                                    \
    "latency ms|+-95%|p50|p95|p99|gap %|energy mJ|power W|inf/s|gpu %|xfers|xfer ms|overlap %|"    \
    "plan ms"

static spa_status print_case(const spa_runs *runs, size_t c, int best, spa_string *out,
                             spa_error *err)
{
    bool stacks = has_baselines(runs);
    spa_table t;
    bool deadline = runs->scenario.deadline_ms > 0;
    char heads[256], align[32];
    snprintf(heads, sizeof heads, "policy|%s%s%s", stacks ? "stack|" : "", COLUMNS,
             deadline ? "|missed %|late ms" : "");
    snprintf(align, sizeof align, "l%srrrrrrrrrrrrrr%s", stacks ? "l" : "", deadline ? "rr" : "");
    spa_table_init(&t, heads, align);
    int decimals = latency_decimals(runs, c);
    for (size_t i = 0; i < runs->policies.count; i++) {
        const char *stack = stacks ? spa_runs_case(runs, c, i)->costs.stack : NULL;
        print_row(&t, spa_runs_outcome(runs, c, i), stack, decimals, (int)i == best, deadline);
    }
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

/* Each model of a mix under each policy. */
static spa_status print_parts(const spa_runs *runs, size_t c, spa_string *out, spa_error *err)
{
    spa_table t;
    if (runs->cases[c].kind != SPA_CASE_MIX) return SPA_OK;
    spa_table_init(&t, "policy|model|requests|latency ms|p50|p95|p99|inf/s", "llrrrrrr");
    for (size_t i = 0; i < runs->policies.count; i++) {
        const spa_outcome *o = spa_runs_outcome(runs, c, i);
        for (size_t k = 0; k < o->n_parts; k++) {
            const spa_part_outcome *part = &o->parts[k];
            spa_table_put(&t, "%s", k ? "" : spa_outcome_label(o));
            spa_table_put(&t, "%s", part->model);
            spa_table_put(&t, "%" PRIu64, part->requests);
            spa_table_number(&t, part->latency_ms, 3);
            spa_table_number(&t, part->p50_ms, 3);
            spa_table_number(&t, part->p95_ms, 3);
            spa_table_number(&t, part->p99_ms, 3);
            spa_table_number(&t, part->throughput_ips, 1);
        }
    }
    spa_string_append(out, "\n");
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

/* What the batcher made of each policy's runs. */
static spa_status print_batches(const spa_runs *runs, size_t c, spa_string *out, spa_error *err)
{
    spa_table t;
    spa_table_init(&t,
                   "policy|aims at|samples/run|runs|queue ms|collecting|run ms|padding %|"
                   "overhead %",
                   "lrrrrrrrr");
    for (size_t i = 0; i < runs->policies.count; i++) {
        const spa_outcome *o = spa_runs_outcome(runs, c, i);
        const spa_batch_outcome *b = &o->batches;
        if (o->is_skipped) continue;
        spa_table_put(&t, "%s", spa_outcome_label(o));
        spa_table_put(&t, "%u", b->target);
        spa_table_number(&t, b->samples, 2);
        spa_table_number(&t, b->runs, 0);
        spa_table_number(&t, b->queue_ms, 3);
        spa_table_number(&t, b->collect_ms, 3);
        spa_table_number(&t, b->run_ms, 3);
        spa_table_number(&t, b->padding * 100, 1);
        spa_table_number(&t, b->overhead * 100, 1);
    }
    spa_string_append(out, "\n");
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

spa_status spa_runs_print(const spa_runs *runs, const spa_options *options, spa_string *out,
                          spa_error *err)
{
    spa_objective objective = (spa_objective)options->objective;
    for (size_t c = 0; c < runs->n_cases; c++) {
        if (c) spa_string_append(out, "\n");
        spa_runs_heading(runs, c, options, out);
        int best = spa_runs_best(runs, c, objective, SPA_PICK_ALL);
        SPA_TRY(print_case(runs, c, best, out, err));
        if (best >= 0) {
            spa_string_append(out, "  * best by %s; ", spa_objective_name(objective));
            print_bound(runs, c, out);
        }
        if (best >= 0) print_gain(runs, c, objective, out);
        print_ranges(runs, c, objective, out);
        if (!runs->cases[c].power_known) {
            spa_string_append(out, "  energy: not known for this device\n");
        }
        SPA_TRY(print_parts(runs, c, out, err));
        if (spa_batcher_given(options)) SPA_TRY(print_batches(runs, c, out, err));
    }
    return spa_string_ok(out, err);
}

/* ---------------------------------------------------------------- JSON */
static void json_batches(spa_json *j, json_t *row, const spa_batch_outcome *b)
{
    if (b->target == 0) return;
    json_t *one = spa_json_member(j, row, "batches");
    spa_json_set(j, one, "target", json_integer(b->target));
    spa_json_set(j, one, "samples", spa_json_number(b->samples));
    spa_json_set(j, one, "runs", spa_json_number(b->runs));
    spa_json_set(j, one, "queue_ms", spa_json_number(b->queue_ms));
    spa_json_set(j, one, "collect_ms", spa_json_number(b->collect_ms));
    spa_json_set(j, one, "run_ms", spa_json_number(b->run_ms));
    spa_json_set(j, one, "padding", spa_json_number(b->padding));
    spa_json_set(j, one, "overhead", spa_json_number(b->overhead));
}

static void json_parts(spa_json *j, json_t *row, const spa_outcome *o)
{
    if (o->n_parts == 0) return;
    json_t *list = spa_json_array(j, row, "models");
    for (size_t i = 0; i < o->n_parts; i++) {
        const spa_part_outcome *p = &o->parts[i];
        json_t *one = spa_json_row(j, list);
        spa_json_set(j, one, "model", spa_json_text(j, p->model));
        spa_json_set(j, one, "requests", json_integer((json_int_t)p->requests));
        json_t *latency = spa_json_member(j, one, "latency_ms");
        spa_json_set(j, latency, "mean", spa_json_number(p->latency_ms));
        spa_json_set(j, latency, "p50", spa_json_number(p->p50_ms));
        spa_json_set(j, latency, "p95", spa_json_number(p->p95_ms));
        spa_json_set(j, latency, "p99", spa_json_number(p->p99_ms));
        spa_json_set(j, one, "throughput_ips", spa_json_number(p->throughput_ips));
    }
}

static void json_outcome(spa_json *j, json_t *row, const spa_case *c, const spa_outcome *o)
{
    char origin[64];
    spa_json_set(j, row, "policy", spa_json_text(j, o->policy));
    if (o->baseline) spa_json_set(j, row, "baseline", spa_json_text(j, o->baseline));
    if (o->baseline) spa_json_set(j, row, "stack", spa_json_text(j, c->costs.stack));
    if (o->baseline)
        spa_json_set(j, row, "dtype", spa_json_text(j, spa_dtype_name(c->graph.dtype)));
    if (o->is_skipped) {
        spa_json_set(j, row, "skipped", spa_json_text(j, o->skipped));
        return;
    }
    json_t *latency = spa_json_member(j, row, "latency_ms");
    spa_json_set(j, latency, "mean", spa_json_number(o->latency_ms));
    spa_json_set(j, latency, "p50", spa_json_number(o->p50_ms));
    spa_json_set(j, latency, "p95", spa_json_number(o->p95_ms));
    spa_json_set(j, latency, "p99", spa_json_number(o->p99_ms));
    spa_json_set(j, latency, "ci95", spa_json_number(o->ci95_ms));
    spa_json_set(j, row, "lower_bound_ms", spa_json_number(o->lower_bound_ms));
    spa_json_set(j, row, "gap", spa_json_number(o->gap));
    if (isfinite(o->energy_mj)) {
        json_t *energy = spa_json_member(j, row, "energy_mj");
        spa_json_set(j, energy, "mean", spa_json_number(o->energy_mj));
    } else {
        spa_json_set(j, row, "energy_mj", json_null());
    }
    spa_json_set(j, row, "energy_dynamic_mj", spa_json_number(o->energy_dynamic_mj));
    spa_json_set(j, row, "power_w", spa_json_number(o->power_w));
    spa_json_set(j, row, "throughput_ips", spa_json_number(o->throughput_ips));
    spa_json_set(j, row, "origin", spa_json_text(j, spa_outcome_origin(c, o, origin)));
    spa_json_set(j, row, "gpu_share", spa_json_number(o->gpu_share));
    spa_json_set(j, row, "transfers", spa_json_number(o->transfers));
    spa_json_set(j, row, "transfer_ms", spa_json_number(o->transfer_ms));
    spa_json_set(j, row, "overlap", spa_json_number(o->overlap));
    if (isfinite(o->deadline_ms)) {
        json_t *deadline = spa_json_member(j, row, "deadline");
        spa_json_set(j, deadline, "ms", spa_json_number(o->deadline_ms));
        spa_json_set(j, deadline, "miss_rate", spa_json_number(o->miss_rate));
        spa_json_set(j, deadline, "tardiness_ms", spa_json_number(o->tardiness_ms));
    }
    spa_json_set(j, row, "plan_host_ms", spa_json_number(o->plan_host_ms));
    spa_json_set(j, row, "digest", json_sprintf("%016" PRIx64, o->digest));
    json_parts(j, row, o);
    json_batches(j, row, &o->batches);
}

static void json_ranges(spa_json *j, json_t *run, const spa_runs *runs, size_t c,
                        spa_objective objective)
{
    spa_range_verdict v;
    if (!spa_runs_range_verdict(runs, c, objective, 0, &v)) return;
    json_t *list = spa_json_array(j, run, "ranges");
    for (size_t n = 0; spa_runs_range_verdict(runs, c, objective, n, &v); n++) {
        json_t *row = spa_json_row(j, list);
        spa_json_set(j, row, "baseline", spa_json_text(j, v.baseline->name));
        spa_json_set(j, row, "best",
                     spa_json_text(j, spa_outcome_label(spa_runs_outcome(runs, c, v.own))));
        spa_json_set(j, row, "ratio_low", spa_json_number(v.low / v.own_value));
        spa_json_set(j, row, "ratio_mid", spa_json_number(v.mid / v.own_value));
        spa_json_set(j, row, "ratio_high", spa_json_number(v.high / v.own_value));
        spa_json_set(j, row, "verdict", spa_json_text(j, v.verdict));
    }
}

static void json_case(spa_json *j, json_t *run, const spa_runs *runs, size_t c,
                      spa_objective objective)
{
    const spa_case *k = &runs->cases[c];
    char origin[64];
    spa_json_set(j, run, "model", spa_json_text(j, k->graph.name));
    spa_json_set(j, run, "device", spa_json_text(j, k->costs.device));
    spa_json_set(j, run, "mode", spa_json_text(j, k->costs.mode));
    spa_json_set(j, run, "stack", spa_json_text(j, k->costs.stack));
    spa_json_set(j, run, "scenario", spa_json_text(j, runs->scenario.name));
    spa_json_set(j, run, "batch", json_integer(k->graph.batch));
    spa_json_set(j, run, "dtype", spa_json_text(j, spa_dtype_name(k->graph.dtype)));
    spa_json_set(j, run, "computes", spa_json_text(j, spa_dtype_name(k->costs.computes)));
    spa_json_set(j, run, "origin", spa_json_text(j, spa_case_origin(k, origin)));
    if (has_baselines(runs)) spa_json_set(j, run, "mixed", json_boolean(spa_runs_mixed(runs, c)));
    json_t *results = spa_json_array(j, run, "results");
    for (size_t i = 0; i < runs->policies.count; i++) {
        json_outcome(j, spa_json_row(j, results), spa_runs_case(runs, c, i),
                     spa_runs_outcome(runs, c, i));
    }
    json_ranges(j, run, runs, c, objective);
}

spa_status spa_runs_print_json(const spa_runs *runs, const spa_options *options,
                               const char *command, spa_string *out, spa_error *err)
{
    spa_json j;
    spa_json_init(&j, command);
    json_t *list = spa_json_array(&j, j.root, "runs");
    for (size_t c = 0; c < runs->n_cases; c++)
        json_case(&j, spa_json_row(&j, list), runs, c, (spa_objective)options->objective);
    spa_status status = spa_json_print(&j, out, err);
    spa_json_fini(&j);
    return status;
}
