#include "experiments/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments/json.h"
#include "experiments/plot_style.h"
#include "experiments/table.h"
#include "experiments/version.h"

spa_status spa_report_open(spa_report *report, const char *db, spa_error *err)
{
    const spa_claim *claims = spa_claims(&report->n_findings);
    memset(report->counts, 0, sizeof report->counts);
    report->findings = NULL;
    SPA_TRY(spa_evidence_open(&report->evidence, db, err));
    spa_status status =
        spa_alloc(&report->findings, report->n_findings, sizeof *report->findings, err);
    for (size_t i = 0; i < report->n_findings && !status; i++) {
        spa_finding *f = &report->findings[i];
        status = spa_claim_judge(&claims[i], &report->evidence, f, err);
        if (!status && !claims[i].is_tension) report->counts[f->judgement.verdict]++;
    }
    if (status) spa_report_close(report);
    return status;
}

void spa_report_close(spa_report *report)
{
    free(report->findings);
    report->findings = NULL;
    spa_evidence_close(&report->evidence);
}

/* ---------------------------------------------------------------- values */
const char *spa_finding_value(const spa_finding *finding, char text[96])
{
    char value[32], low[32], high[32];
    const spa_estimate *v = &finding->nominal;
    if (!isfinite(v->value)) return strcpy(text, "-");
    int n =
        snprintf(text, 96, "%s %s", spa_plot_number(v->value, false, value), finding->claim->unit);
    if (isfinite(v->low) && isfinite(v->high))
        snprintf(text + n, 96 - (size_t)n, " [%s, %s]", spa_plot_number(v->low, false, low),
                 spa_plot_number(v->high, false, high));
    return text;
}

bool spa_finding_range(const spa_finding *finding, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < finding->n_pooled; i++) {
        *low = fmin(*low, finding->pooled[i].value);
        *high = fmax(*high, finding->pooled[i].value);
    }
    return finding->n_pooled > 1;
}

/* ---------------------------------------------------------------- a table */
spa_status spa_report_print(const spa_report *report, spa_string *out, spa_error *err)
{
    spa_table table;
    char text[96];
    spa_table_init(&table, "claim|paper|here|verdict", "llll");
    for (size_t i = 0; i < report->n_findings; i++) {
        const spa_finding *f = &report->findings[i];
        spa_table_put(&table, "%s", f->claim->id);
        spa_table_put(&table, "%s", f->claim->paper);
        spa_table_put(&table, "%s", spa_finding_value(f, text));
        spa_table_put(&table, "%s%s%.90s", spa_verdict_name(f->judgement.verdict),
                      *f->judgement.condition ? ": " : "", f->judgement.condition);
    }
    spa_status status = spa_table_print(&table, 0, out, err);
    spa_table_fini(&table);
    spa_string_append(out,
                      "\nOf the paper's claims %zu hold, %zu hold only if something is so, %zu do "
                      "not hold, %zu cannot be told.\n",
                      report->counts[SPA_HOLDS], report->counts[SPA_HOLDS_ONLY_IF],
                      report->counts[SPA_FAILS], report->counts[SPA_CANNOT_TELL]);
    return status;
}

/* ---------------------------------------------------------------- JSON */
static json_t *estimate_json(spa_json *json, const spa_estimate *v, const char *key)
{
    json_t *o = json_object();
    if (key) spa_json_set(json, o, key, spa_json_text(json, v->where));
    spa_json_set(json, o, "value", spa_json_number(v->value));
    spa_json_set(json, o, "low", spa_json_number(v->low));
    spa_json_set(json, o, "high", spa_json_number(v->high));
    return o;
}

static void put_finding(spa_json *json, json_t *row, const spa_finding *f)
{
    const spa_claim *c = f->claim;
    const struct {
        const char *key, *text;
    } texts[] = {{"id", c->id},
                 {"claim", c->text},
                 {"source", c->source},
                 {"paper", c->paper},
                 {"unit", c->unit},
                 {"verdict", spa_verdict_name(f->judgement.verdict)},
                 {"condition", f->judgement.condition},
                 {"device", f->device},
                 {"stack", f->stack},
                 {"origin", f->origin},
                 {"assumes", c->assumes},
                 {"notes", f->notes}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        spa_json_set(json, row, texts[i].key,
                     spa_json_text(json, *texts[i].text ? texts[i].text : NULL));
    spa_json_set(json, row, "tension", json_boolean(c->is_tension));
    spa_json_set(json, row, "here", estimate_json(json, &f->nominal, NULL));
    json_t *points = spa_json_array(json, row, "assumptions");
    for (size_t i = 0; i < f->n_pooled; i++)
        spa_json_add(json, points, estimate_json(json, &f->pooled[i], "where"));
    json_t *models = spa_json_array(json, row, "models");
    for (size_t i = 0; i < f->n_models; i++)
        spa_json_add(json, models, estimate_json(json, &f->models[i], "model"));
}

static void put_counts(spa_json *json, const spa_report *report)
{
    json_t *counts = spa_json_member(json, json->root, "counts");
    for (int v = 0; v < 4; v++)
        spa_json_set(json, counts, spa_verdict_name((spa_verdict)v),
                     json_integer((json_int_t)report->counts[v]));
}

static void put_experiments(spa_json *json, const spa_evidence *e)
{
    json_t *rows = spa_json_array(json, json->root, "experiments");
    for (size_t i = 0; i < e->n_progress; i++) {
        const spa_progress_row *p = &e->progress[i];
        json_t *row = spa_json_row(json, rows);
        spa_json_set(json, row, "name", spa_json_text(json, p->experiment));
        spa_json_set(json, row, "expected",
                     p->expected < 0 ? json_null() : json_integer(p->expected));
        spa_json_set(json, row, "done", json_integer(p->done));
        spa_json_set(json, row, "skipped", json_integer(p->skipped));
        spa_json_set(json, row, "finished", json_boolean(p->is_finished));
        spa_json_set(json, row, "quick", json_boolean(p->quick));
    }
}

spa_status spa_report_print_json(const spa_report *report, spa_string *out, spa_error *err)
{
    spa_json json;
    spa_json_init(&json, "report");
    spa_json_set(&json, json.root, "database", spa_json_text(&json, report->evidence.path));
    spa_json_set(&json, json.root, "program", spa_json_text(&json, spa_version()));
    put_counts(&json, report);
    json_t *claims = spa_json_array(&json, json.root, "claims");
    for (size_t i = 0; i < report->n_findings; i++)
        put_finding(&json, spa_json_row(&json, claims), &report->findings[i]);
    put_experiments(&json, &report->evidence);
    spa_status status = spa_json_print(&json, out, err);
    spa_json_fini(&json);
    return status;
}
