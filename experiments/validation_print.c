#include "experiments/validation_print.h"

#include <math.h>
#include "experiments/json.h"
#include "experiments/lanes_device.h"
#include "experiments/table.h"

#define PERCENT 100

/* ---- tables ---------------------------------------------------------------------------------- */

static void put_row(spa_table *t, const spa_validated *r)
{
    spa_table_put(t, "%s", r->id);
    if (r->is_skipped) {
        spa_table_span(t, "skipped: %s", r->skipped);
        return;
    }
    spa_table_number(t, r->measured_ms, 3);
    spa_table_number(t, r->spread_ms, 3);
    spa_table_number(t, r->raw_ms, 3);
    spa_table_number(t, r->simulated_ms, 3);
    spa_table_number(t, r->error * PERCENT, 2);
    spa_table_number(t, r->raw_error * PERCENT, 2);
    spa_table_put(t, "%zu", r->switches);
}

static spa_status put_rows(const spa_validation *v, spa_string *out, spa_error *err)
{
    spa_table t;
    spa_table_init(&t, "schedule|measured ms|+-|raw ms|simulated ms|error %|raw %|switches",
                   "lrrrrrrr");
    for (size_t i = 0; i < v->n_rows; i++) put_row(&t, &v->rows[i]);
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static spa_status put_components(const spa_validation *v, spa_string *out, spa_error *err)
{
    spa_table t;
    double total = 0;
    if (v->concurrency > 1) return SPA_OK;
    for (int c = 0; c < SPA_COMPONENT_COUNT; c++) total += v->component_ms[c][0];
    spa_table_init(&t, "component|measured ms|simulated ms|difference ms|of total %|", "lrrrrl");
    for (int c = 0; c < SPA_COMPONENT_COUNT; c++) {
        const double *ms = v->component_ms[c];
        spa_table_put(&t, "%s", spa_component_name((spa_component)c));
        spa_table_number(&t, ms[0], 4);
        spa_table_number(&t, ms[1], 4);
        spa_table_number(&t, ms[1] - ms[0], 4);
        spa_table_number(&t, (ms[1] - ms[0]) / total * PERCENT, 2);
        spa_table_put(&t, "%s", spa_component_is_off(ms, total) ? "off" : "");
    }
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    if (v->cancelling)
        spa_string_append(out, "  components are off in opposite directions: errors cancel\n");
    return status;
}

static void put_summary(const spa_validation *v, spa_string *out)
{
    const spa_error_summary *s = &v->rescaled, *r = &v->raw;
    spa_string_append(out, "  rescaled by the anchors (");
    for (size_t p = 0; p < v->n_lanes; p++)
        spa_string_append(out, "%sx %.3f", p ? ", " : "", v->lane_scale[p]);
    if (v->n_lanes > 1) spa_string_append(out, ", in turn x %.3f", v->turn_scale);
    spa_string_append(out,
                      "): median %.2f %% (%.2f to %.2f), p95 %.2f "
                      "%%, bias %+.2f %%, tau %.3f over %zu pairs\n",
                      s->median * PERCENT, s->median_ci[0] * PERCENT, s->median_ci[1] * PERCENT,
                      s->p95 * PERCENT, s->bias * PERCENT, s->tau, s->pairs);
    spa_string_append(out, "  as profiled: median %.2f %%, p95 %.2f %%, bias %+.2f %%\n",
                      r->median * PERCENT, r->p95 * PERCENT, r->bias * PERCENT);
    spa_string_append(out,
                      "  noise floor (half of the rounds against the other half): median %.2f "
                      "%%, p95 %.2f %%\n",
                      v->floor_median * PERCENT, v->floor_p95 * PERCENT);
}

static spa_status put_stream(const spa_stream *s, spa_string *out, spa_error *err)
{
    static const char *const sides[] = {"measured", "simulated"};
    spa_table t;
    if (!s) return SPA_OK;
    spa_string_append(out, "  %llu requests, %s, at most %u in flight\n",
                      (unsigned long long)s->scenario.requests, s->scenario.name,
                      s->scenario.concurrency);
    spa_table_init(&t, "|inferences/s|mean ms|p50 ms|p95 ms|p99 ms", "lrrrrr");
    for (int i = 0; i < 2; i++) {
        const spa_stream_side *x = &s->side[i];
        spa_table_put(&t, "%s", sides[i]);
        spa_table_number(&t, x->throughput_ips, 2);
        spa_table_number(&t, x->mean_ms, 3);
        spa_table_number(&t, x->p50_ms, 3);
        spa_table_number(&t, x->p95_ms, 3);
        spa_table_number(&t, x->p99_ms, 3);
    }
    spa_status status = spa_table_print(&t, 2, out, err);
    spa_table_fini(&t);
    return status;
}

static void put_energy(const spa_validation *v, spa_string *out)
{
    const spa_validated_energy *e = v->energy;
    if (!e) return;
    if (e->reason[0]) {
        spa_string_append(out, "  %s\n", e->reason);
        return;
    }
    const spa_energy *total = &e->result.total;
    if (total->kind == SPA_ENERGY_MEASURED)
        spa_string_append(out, "  energy per inference: %.3f mJ measured (%s)\n",
                          total->energy_j * 1e3 / e->inferences_per_job, e->result.covers);
    spa_string_append(out, "  job of %.0f inferences: ", e->inferences_per_job);
    spa_energy_print(&e->result, out);
}

static spa_status put_tables(const spa_validation *v, const spa_hardware_case *c, spa_string *out,
                             spa_error *err)
{
    spa_string_append(out, "%s on ", v->model);
    spa_lanes_put(out, &c->lanes);
    spa_string_append(out, ", %u in flight\n", v->concurrency);
    if (!c->fresh)
        spa_string_append(out, "  profile: %s of %s%s\n", c->trace.path, c->trace.fingerprint.date,
                          c->uncalibrated ? ", another machine or other libraries (uncalibrated)"
                                          : "");
    SPA_TRY(put_rows(v, out, err));
    put_summary(v, out);
    SPA_TRY(put_components(v, out, err));
    SPA_TRY(put_stream(v->stream, out, err));
    put_energy(v, out);
    spa_string_append(out, "\n");
    return spa_string_ok(out, err);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void put_json_schedule(spa_json *j, json_t *rows, const spa_validated *r)
{
    json_t *row = spa_json_row(j, rows);
    spa_json_set(j, row, "id", spa_json_text(j, r->id));
    spa_json_set(j, row, "kind", spa_json_text(j, r->kind));
    if (r->is_skipped) {
        spa_json_set(j, row, "skipped", spa_json_text(j, r->skipped));
        return;
    }
    spa_json_set(j, row, "measured_ms", spa_json_number(r->measured_ms));
    spa_json_set(j, row, "raw_ms", spa_json_number(r->raw_ms));
    spa_json_set(j, row, "simulated_ms", spa_json_number(r->simulated_ms));
    spa_json_set(j, row, "error", spa_json_number(r->error));
    spa_json_set(j, row, "raw_error", spa_json_number(r->raw_error));
    spa_json_set(j, row, "spread_ms", spa_json_number(r->spread_ms));
    spa_json_set(j, row, "samples", json_integer((json_int_t)r->samples));
    spa_json_set(j, row, "switches", json_integer((json_int_t)r->switches));
}

static void put_json_summary(spa_json *j, json_t *o, const spa_error_summary *s)
{
    spa_json_set(j, o, "median_error", spa_json_number(s->median));
    spa_json_set(j, o, "median_low", spa_json_number(s->median_ci[0]));
    spa_json_set(j, o, "median_high", spa_json_number(s->median_ci[1]));
    spa_json_set(j, o, "p95_error", spa_json_number(s->p95));
    spa_json_set(j, o, "bias", spa_json_number(s->bias));
    spa_json_set(j, o, "kendall_tau", spa_json_number(s->tau));
}

static void put_json_stream(spa_json *j, json_t *run, const spa_validation *v)
{
    json_t *rows = spa_json_array(j, run, "streams");
    for (size_t i = 0; i < v->n_rows && v->concurrency > 1; i++) {
        const spa_validated *r = &v->rows[i];
        if (r->is_skipped) continue;
        json_t *row = spa_json_row(j, rows);
        spa_json_set(j, row, "id", spa_json_text(j, r->id));
        spa_json_set(j, row, "measured_ips", spa_json_number(r->throughput[0]));
        spa_json_set(j, row, "simulated_ips", spa_json_number(r->throughput[1]));
        spa_json_set(j, row, "measured_p95_ms", spa_json_number(r->p95_ms[0]));
        spa_json_set(j, row, "simulated_p95_ms", spa_json_number(r->p95_ms[1]));
    }
}

static void put_json_side(spa_json *j, json_t *o, const char *key, const spa_stream_side *s)
{
    json_t *m = spa_json_member(j, o, key);
    spa_json_set(j, m, "throughput_ips", spa_json_number(s->throughput_ips));
    spa_json_set(j, m, "mean_ms", spa_json_number(s->mean_ms));
    spa_json_set(j, m, "p50_ms", spa_json_number(s->p50_ms));
    spa_json_set(j, m, "p95_ms", spa_json_number(s->p95_ms));
    spa_json_set(j, m, "p99_ms", spa_json_number(s->p99_ms));
}

static void put_json_requests(spa_json *j, json_t *run, const spa_stream *s)
{
    if (!s) return;
    json_t *o = spa_json_member(j, run, "stream");
    spa_json_set(j, o, "scenario", spa_json_text(j, s->scenario.name));
    spa_json_set(j, o, "requests", json_integer((json_int_t)s->scenario.requests));
    put_json_side(j, o, "measured", &s->side[0]);
    put_json_side(j, o, "simulated", &s->side[1]);
}

/* null: no meter here, or not asked for. */
static void put_json_energy(spa_json *j, json_t *run, const spa_validated_energy *e)
{
    if (!e || e->reason[0] || e->result.total.kind != SPA_ENERGY_MEASURED) {
        spa_json_set(j, run, "energy", json_null());
        if (e)
            spa_json_set(j, run, "energy_reason",
                         spa_json_text(j, e->reason[0] ? e->reason : e->result.total.reason));
        return;
    }
    const spa_energy *total = &e->result.total;
    json_t *o = spa_json_member(j, run, "energy");
    spa_json_set(j, o, "kind", spa_json_text(j, spa_energy_kind_name(total->kind)));
    spa_json_set(j, o, "covers", spa_json_text(j, e->result.covers));
    spa_json_set(j, o, "measured_mj",
                 spa_json_number(total->energy_j * 1e3 / e->inferences_per_job));
    spa_json_set(j, o, "measured_dynamic_mj",
                 spa_json_number(total->dynamic_j * 1e3 / e->inferences_per_job));
    spa_json_set(j, o, "simulated_mj", json_null()); /* the lanes' device knows no power */
    spa_json_set(j, o, "power_w", spa_json_number(total->power_w));
    spa_json_set(j, o, "idle_w", spa_json_number(total->idle_w));
    spa_json_set(j, o, "resolution", spa_json_number(total->resolution));
}

static void put_json_profile(spa_json *j, json_t *run, const spa_hardware_case *c)
{
    json_t *o = spa_json_member(j, run, "profile");
    spa_json_set(j, o, "fresh", json_boolean(c->fresh));
    spa_json_set(j, o, "date", spa_json_text(j, c->trace.fingerprint.date));
    spa_json_set(j, o, "uncalibrated", json_boolean(c->uncalibrated));
}

static void put_json_run(spa_json *j, json_t *runs, const spa_validation *v,
                         const spa_hardware_case *c, const char *lanes)
{
    json_t *run = spa_json_row(j, runs);
    spa_json_set(j, run, "model", spa_json_text(j, v->model));
    spa_json_set(j, run, "lanes", spa_json_text(j, lanes));
    spa_json_set(j, run, "concurrency", json_integer(v->concurrency));
    put_json_profile(j, run, c);
    json_t *rows = spa_json_array(j, run, "schedules");
    for (size_t i = 0; i < v->n_rows; i++) put_json_schedule(j, rows, &v->rows[i]);
    json_t *latency = spa_json_member(j, run, "latency");
    put_json_summary(j, latency, &v->rescaled);
    spa_json_set(j, latency, "noise_floor", spa_json_number(v->floor_median));
    spa_json_set(j, latency, "noise_floor_p95", spa_json_number(v->floor_p95));
    json_t *scales = spa_json_array(j, latency, "lane_scale");
    for (size_t p = 0; p < v->n_lanes; p++)
        spa_json_add(j, scales, spa_json_number(v->lane_scale[p]));
    spa_json_set(j, latency, "turn_scale", spa_json_number(v->turn_scale));
    put_json_summary(j, spa_json_member(j, run, "raw"), &v->raw);
    json_t *components = spa_json_array(j, run, "components");
    for (int k = 0; k < SPA_COMPONENT_COUNT && v->concurrency == 1; k++) {
        json_t *row = spa_json_row(j, components);
        spa_json_set(j, row, "name", spa_json_text(j, spa_component_name((spa_component)k)));
        spa_json_set(j, row, "measured_ms", spa_json_number(v->component_ms[k][0]));
        spa_json_set(j, row, "simulated_ms", spa_json_number(v->component_ms[k][1]));
    }
    spa_json_set(j, run, "cancelling", json_boolean(v->cancelling));
    put_json_requests(j, run, v->stream);
    put_json_energy(j, run, v->energy);
    if (v->concurrency > 1) put_json_stream(j, run, v);
}

spa_status spa_validation_print(const spa_validation *runs, size_t n, const spa_hardware_case *c,
                                const spa_options *options, spa_string *out, spa_error *err)
{
    if (!options->json) {
        for (size_t i = 0; i < n; i++) SPA_TRY(put_tables(&runs[i], c, out, err));
        return SPA_OK;
    }
    spa_json j;
    spa_string lanes = {0};
    spa_json_init(&j, options->command);
    spa_lanes_put(&lanes, &c->lanes);
    spa_status status = spa_string_ok(&lanes, err);
    json_t *array = spa_json_array(&j, j.root, "runs");
    for (size_t i = 0; i < n && !status; i++) put_json_run(&j, array, &runs[i], c, lanes.text);
    if (!status) status = spa_json_print(&j, out, err);
    spa_string_fini(&lanes);
    spa_json_fini(&j);
    return status;
}
