/* The page's tables of claims. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/html.h"
#include "experiments/plot_style.h"
#include "experiments/report.h"

static const char *const classes[] = {"yes", "if", "no", "open"};
/* Verdicts are told apart without colour, too. */
static const char *const signs[] = {"\xe2\x9c\x93", "\xe2\x97\x90", "\xe2\x9c\x97", "?"};

static void put_cell(spa_string *out, const char *label, const char *text, const char *class)
{
    spa_string_append(out, "<td data-label=\"%s\"%s%s%s>", label, class ? " class=\"" : "",
                      class ? class : "", class ? "\"" : "");
    spa_html_text(out, text);
    spa_string_append(out, "</td>");
}

/* Our value, below it its range over the assumptions and the models. */
static void put_value(spa_string *out, const spa_finding *f)
{
    char text[96], a[32], b[32];
    double low, high;
    spa_string_append(out, "<td data-label=\"here\" class=\"number\"><div>");
    spa_html_text(out, spa_finding_value(f, text));
    if (spa_finding_range(f, &low, &high))
        spa_string_append(out, "<small>%s to %s over %zu assumptions</small>",
                          spa_plot_number(low, false, a), spa_plot_number(high, false, b),
                          f->n_pooled);
    if (f->n_models > 1) {
        spa_string_append(out, "<details><summary>%zu models</summary>", f->n_models);
        for (size_t i = 0; i < f->n_models; i++) {
            spa_html_text(out, f->models[i].where);
            spa_string_append(out, ": %s<br>", spa_plot_number(f->models[i].value, false, a));
        }
        spa_string_append(out, "</details>");
    }
    spa_string_append(out, "</div></td>");
}

static void put_where(spa_string *out, const spa_finding *f)
{
    spa_string_append(out, "<td data-label=\"device, stack\"><div>");
    spa_html_text(out, *f->device ? f->device : f->claim->device ? f->claim->device : "-");
    if (*f->stack) {
        spa_string_append(out, "<small>");
        spa_html_text(out, f->stack);
        spa_string_append(out, "; ");
        spa_html_text(out, f->origin);
        spa_string_append(out, "</small>");
    }
    spa_string_append(out, "</div></td>");
}

static void put_assumptions(spa_string *out, const spa_finding *f)
{
    bool told = f->claim->quantity != SPA_NOTHING; /* else the verdict says it */
    spa_string_append(out, "<td data-label=\"read as\"><div>");
    spa_html_text(out, told ? f->claim->assumes : "-");
    if (*f->notes) {
        spa_string_append(out, "<small>");
        spa_html_text(out, f->notes);
        spa_string_append(out, "</small>");
    }
    spa_string_append(out, "</div></td>");
}

static void put_verdict(spa_string *out, const spa_finding *f)
{
    const spa_judgement *j = &f->judgement;
    spa_string_append(out, "<td data-label=\"verdict\" class=\"verdict %s\"><div><b>%s %s</b>",
                      classes[j->verdict], signs[j->verdict], spa_verdict_name(j->verdict));
    if (*j->condition) {
        spa_string_append(out, "<small>");
        spa_html_text(out, j->condition);
        spa_string_append(out, "</small>");
    }
    spa_string_append(out, "</div></td>");
}

void spa_report_put_claims(const spa_report *report, bool tensions, spa_string *out)
{
    spa_string_append(out, "<table class=\"cards\"><thead><tr><th>claim</th><th>paper</th>"
                           "<th>here</th><th>device, stack</th><th>read as</th><th>verdict</th>"
                           "</tr></thead><tbody>\n");
    for (size_t i = 0; i < report->n_findings; i++) {
        const spa_finding *f = &report->findings[i];
        if (f->claim->is_tension != tensions) continue;
        spa_string_append(out, "<tr id=\"%s\"><td data-label=\"claim\"><div>", f->claim->id);
        spa_html_text(out, f->claim->text);
        spa_string_append(out, "<small>");
        spa_html_text(out, f->claim->source);
        spa_string_append(out, "</small></div></td>");
        put_cell(out, "paper", f->claim->paper, "number");
        put_value(out, f);
        put_where(out, f);
        put_assumptions(out, f);
        put_verdict(out, f);
        spa_string_append(out, "</tr>\n");
    }
    spa_string_append(out, "</tbody></table>\n");
}
