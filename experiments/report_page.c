/* The page: head, summary, claims, figures, experiments, how it was made. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "experiments/gnuplot.h"
#include "experiments/html.h"
#include "experiments/report.h"
#include "experiments/version.h"

static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>SparOA: what can be told of the paper's claims</title>\n<style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0 auto;"
    "max-width:1200px;padding:0 16px 48px}\n"
    "h1{font-size:1.5rem;margin:24px 0 4px}h2{font-size:1.2rem;margin:36px 0 8px}\n"
    "h3{font-size:1rem;margin:28px 0 4px}p{max-width:46rem}small{display:block;color:#555;"
    "font-size:.82em;line-height:1.35}\n"
    "code{font:.86em ui-monospace,monospace;background:#f2f2f2;padding:1px 4px;"
    "overflow-wrap:anywhere}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem}th{text-align:left;"
    "border-bottom:2px solid #333;padding:6px 8px;vertical-align:bottom}\n"
    "td{border-bottom:1px solid #ddd;padding:6px 8px;vertical-align:top}"
    ".number{font-variant-numeric:tabular-nums}.cards "
    "td.number>div,td.number{white-space:nowrap}td.number small{white-space:normal}\n"
    ".tiles{display:flex;flex-wrap:wrap;gap:10px;margin:16px 0}.tile{border:1px solid #ccc;"
    "border-radius:6px;padding:8px 14px;min-width:8.5rem}.tile b{display:block;"
    "font-size:1.7rem;line-height:1.2}\n"
    ".yes{border-left:5px solid #009e73}.if{border-left:5px solid #e69f00}"
    ".no{border-left:5px solid #d55e00}.open{border-left:5px solid #999}\n"
    ".warn{border:2px solid #d55e00;padding:8px 12px;border-radius:6px}\n"
    "figure{margin:8px 0 24px}.picture{overflow-x:auto}.picture svg{width:100%;min-width:620px;"
    "max-width:900px;height:auto;display:block}figcaption{color:#444;font-size:.86rem}\n"
    "details summary{cursor:pointer;color:#0072b2}nav a{margin-right:12px}a{color:#0072b2}\n"
    ".wide{overflow-x:auto}\n"
    "@media(max-width:760px){.cards thead{display:none}.cards,.cards tbody,.cards tr,.cards td{"
    "display:block}.cards tr{border:1px solid #ccc;border-radius:6px;margin:0 0 12px;"
    "padding:4px 0}.cards td{border:0;display:flex;gap:10px;padding:3px 10px}"
    ".cards td:before{content:attr(data-label);flex:0 0 5.6rem;color:#666;font-size:.8rem;"
    "padding-top:2px}.cards td.verdict{margin-top:4px;background:#f7f7f7}}\n"
    "@media print{body{max-width:none}details{display:none}}\n"
    "</style></head><body>\n";

/* ---------------------------------------------------------------- summary */
static void put_warnings(const spa_report *r, spa_string *out)
{
    const spa_evidence *e = &r->evidence;
    for (size_t i = 0; i < e->n_progress; i++) {
        const spa_progress_row *p = &e->progress[i];
        if (p->is_finished && (p->expected < 0 || p->done >= p->expected)) continue;
        spa_string_append(out, "<p class=\"warn\">Experiment <b>");
        spa_html_text(out, p->experiment);
        spa_string_append(out,
                          "</b> is unfinished: %" PRId64 " of %" PRId64
                          " rows. What is said of it may change.</p>\n",
                          p->done, p->expected);
    }
}

static void put_summary(const spa_report *r, const char *date, spa_string *out)
{
    static const char *const classes[] = {"yes", "if", "no", "open"};
    size_t skipped = 0, n_claims = 0;
    for (size_t i = 0; i < r->evidence.n_records; i++)
        skipped += r->evidence.records[i].skipped != NULL;
    for (int v = 0; v < 4; v++) n_claims += r->counts[v];
    spa_string_append(out, "<h1>SparOA: what can be told of the paper's claims</h1>\n<p>Made on ");
    spa_html_text(out, date);
    spa_string_append(out, " by sparoa ");
    spa_html_text(out, spa_version());
    spa_string_append(out, " from <code>");
    spa_html_text(out, r->evidence.path);
    spa_string_append(out,
                      "</code>: %zu rows of %zu experiments, %zu of them could not be run. Paper: "
                      "arXiv 2511.19457. Its numbers are what ours are compared with; none of them "
                      "went into the simulator.</p>\n<div class=\"tiles\">\n",
                      r->evidence.n_records, r->evidence.n_progress, skipped);
    for (int v = 0; v < 4; v++)
        spa_string_append(out, "<div class=\"tile %s\"><b>%zu</b>%s</div>\n", classes[v],
                          r->counts[v], spa_verdict_name((spa_verdict)v));
    spa_string_append(out,
                      "</div>\n<p>of %zu claims. <b>Holds</b>: the whole 95 %% interval meets the "
                      "claim, under every assumption that was varied. <b>Holds only if</b>: not "
                      "over all models, but for those named. <b>Does not hold</b>: no interval "
                      "meets it. <b>Cannot be told</b>: there are no rows, an interval includes "
                      "the limit, or the answer flips inside the range of something that is not "
                      "measured.</p>\n",
                      n_claims);
    spa_string_append(out, "<nav><a href=\"#claims\">claims</a><a href=\"#tensions\">tensions</a>"
                           "<a href=\"#figures\">figures</a><a href=\"#experiments\">experiments"
                           "</a><a href=\"#skipped\">rows not run</a><a href=\"#sources\">sources"
                           "</a></nav>\n");
    put_warnings(r, out);
}

/* ---------------------------------------------------------------- figures */
static void put_command(const spa_report *r, const spa_study_figure *figure, spa_string *out)
{
    const spa_progress_row *p = spa_evidence_progress(&r->evidence, figure->experiment);
    spa_string_append(out, "<small>Made by ");
    if (p && *p->file) {
        spa_string_append(out, "<code>sparoa run ");
        spa_html_text(out, p->file);
        spa_string_append(out, " --db ");
        spa_html_text(out, r->evidence.path);
        spa_string_append(out, "%s</code>, drawn by ", p->quick ? " --quick" : "");
    }
    spa_string_append(out, "<code>sparoa figures %s --db ", figure->name);
    spa_html_text(out, r->evidence.path);
    spa_string_append(out, " -o DIR</code></small>");
}

static spa_status put_figure(const spa_report *r, const spa_study_figure *figure,
                             const char *folder, spa_string *out, spa_error *err)
{
    char *svg = NULL;
    spa_string caption = {0};
    spa_status status = SPA_OK;
    bool draws = spa_figure_can_draw();
    if (draws) status = spa_study_figure_svg(figure, &r->evidence, folder, &svg, &caption, err);
    if (!status && svg) {
        spa_string_append(out, "<figure id=\"figure-%s\"><h3>", figure->name);
        spa_html_text(out, figure->title);
        spa_string_append(out, "</h3><div class=\"picture\" role=\"img\" aria-label=\"");
        spa_html_text(out, figure->title);
        spa_string_append(out, "\">");
        spa_html_svg(out, svg, figure->name);
        spa_string_append(out, "</div><figcaption>");
        spa_html_text(out, caption.text ? caption.text : "");
        put_command(r, figure, out);
        spa_string_append(out, "</figcaption></figure>\n");
    }
    free(svg);
    spa_string_fini(&caption);
    return status;
}

static spa_status put_figures(const spa_report *r, const char *folder, spa_string *out,
                              spa_error *err)
{
    size_t n;
    const spa_study_figure *figures = spa_study_figures(&n);
    spa_string_append(out, "<h2 id=\"figures\">Figures</h2>\n");
    if (!spa_figure_can_draw())
        spa_string_append(out, "<p class=\"warn\">No figures: gnuplot is not installed (package "
                               "gnuplot-nox).</p>\n");
    for (size_t i = 0; i < n; i++) SPA_TRY(put_figure(r, &figures[i], folder, out, err));
    return SPA_OK;
}

/* ---------------------------------------------------------------- experiments */
/* How many rows differ from the reference, and which way. */
static void put_comparisons(const spa_evidence *e, const spa_progress_row *p, spa_string *out)
{
    size_t n = 0, less = 0, more = 0;
    for (size_t i = 0; i < e->n_comparisons; i++) {
        const spa_comparison_row *c = &e->comparisons[i];
        const spa_record *run = spa_evidence_run(e, c->run);
        if (!run || strcmp(run->experiment, p->experiment) != 0) continue;
        n++;
        if (!(c->p_t_holm < 0.05)) continue;
        less += c->difference_ms < 0;
        more += c->difference_ms > 0;
    }
    if (n == 0) {
        spa_string_append(out, "-");
        return;
    }
    spa_string_append(out, "%zu rows: %zu better, %zu worse than ", n, less, more);
    spa_html_text(out, *p->reference ? p->reference : "the reference");
}

static void put_experiments(const spa_report *r, spa_string *out)
{
    const spa_evidence *e = &r->evidence;
    spa_string_append(
        out, "<h2 id=\"experiments\">Experiments</h2>\n<div class=\"wide\"><table>"
             "<thead><tr><th>experiment</th><th>asks</th><th>rows</th><th>not run"
             "</th><th>compared, paired t test, p &lt; 0.05 (Holm)</th><th>state</th></tr></thead>"
             "<tbody>\n");
    for (size_t i = 0; i < e->n_progress; i++) {
        const spa_progress_row *p = &e->progress[i];
        bool whole = p->is_finished && (p->expected < 0 || p->done >= p->expected);
        spa_string_append(out, "<tr><td>");
        spa_html_text(out, p->experiment);
        spa_string_append(out, "<small>");
        spa_html_text(out, p->file);
        spa_string_append(out, "</small></td><td>");
        spa_html_text(out, p->title);
        spa_string_append(out, "</td><td class=\"number\">%" PRId64, p->done);
        if (p->expected >= 0) spa_string_append(out, " of %" PRId64, p->expected);
        spa_string_append(out, "</td><td class=\"number\">%" PRId64 "</td><td>", p->skipped);
        put_comparisons(e, p, out);
        spa_string_append(out, "</td><td>%s%s%s</td></tr>\n", whole ? "finished" : "UNFINISHED",
                          p->quick ? ", quick" : "",
                          p->several_versions ? ", rows of several program versions" : "");
    }
    spa_string_append(out, "</tbody></table></div>\n");
}

/* Rows that were not run, one line per policy and reason of an experiment. */
static void put_skipped(const spa_report *r, spa_string *out)
{
    const spa_evidence *e = &r->evidence;
    size_t shown = 0;
    spa_string_append(out, "<h2 id=\"skipped\">Rows that could not be run</h2>\n");
    for (size_t i = 0; i < e->n_records; i++) {
        const spa_record *s = &e->records[i];
        bool seen = false;
        size_t n = 0;
        if (!s->skipped) continue;
        for (size_t k = 0; k < e->n_records; k++) {
            const spa_record *t = &e->records[k];
            if (!t->skipped || strcmp(t->experiment, s->experiment) != 0 ||
                strcmp(t->name, s->name) != 0)
                continue;
            seen |= k < i;
            n++;
        }
        if (seen) continue;
        spa_string_append(out, "%s<tr><td>",
                          shown++ ? ""
                                  : "<div class=\"wide\"><table><thead><tr><th>experiment</th><th>"
                                    "policy or baseline</th><th>rows</th><th>reason (of the first)"
                                    "</th></tr></thead><tbody>\n");
        spa_html_text(out, s->experiment);
        spa_string_append(out, "</td><td>");
        spa_html_text(out, s->name);
        spa_string_append(out, "</td><td class=\"number\">%zu</td><td>", n);
        spa_html_text(out, s->skipped);
        spa_string_append(out, "</td></tr>\n");
    }
    spa_string_append(out, shown ? "</tbody></table></div>\n" : "<p>None.</p>\n");
}

static void put_sources(spa_string *out)
{
    spa_string_append(
        out,
        "<h2 id=\"sources\">Sources, and how to read this</h2>\n<ul>\n"
        "<li>Paper: SparOA, arXiv 2511.19457. Its figures are pictures; where it gives no number "
        "per model, the claim is the range in its text.</li>\n"
        "<li>Times on Jetson AGX Orin and Orin Nano are <b>modelled</b>: rates fitted to published "
        "measurements (docs/model-fit.md); <b>uncalibrated</b> where a mode or device was scaled. "
        "Times on x86-2core are <b>measured</b> on kernels of this program.</li>\n"
        "<li>Intervals are 95 %% over replications on common random numbers; those of ratios of "
        "latencies and energies are of pairs, so that shared noise cancels. They say how well the "
        "simulation's mean is known, not how good the model is.</li>\n"
        "<li>What is not measured (speeds of frameworks, contention, launch cost, sparsity) is "
        "varied over its range; a verdict that flips inside is <i>cannot be told</i>.</li>\n"
        "<li>Definitions of the baselines: docs/baselines.md; of figures and verdicts: "
        "docs/study.md.</li>\n</ul>\n");
}

/* The folder of a file, for temporary files beside it. */
static void folder_of(const char *path, char folder[4096])
{
    const char *slash = strrchr(path, '/');
    snprintf(folder, 4096, "%.*s", slash ? (int)(slash - path > 4000 ? 4000 : slash - path) : 1,
             slash ? path : ".");
    if (slash == path) strcpy(folder, "/");
}

spa_status spa_report_page(const spa_report *report, const char *path, const char *date,
                           spa_error *err)
{
    spa_string page = {0};
    char folder[4096];
    folder_of(path, folder);
    /* Before a minute is spent on figures. */
    if (access(folder, W_OK) != 0)
        return spa_fail_at(err, SPA_E_IO, path, 0, "cannot be written: %s", strerror(errno));
    spa_string_append(&page, "%s", head);
    put_summary(report, date, &page);
    spa_string_append(&page, "<h2 id=\"claims\">The paper's claims</h2>\n");
    spa_report_put_claims(report, false, &page);
    spa_string_append(&page, "<h2 id=\"tensions\">Where the paper's claims strain each other, or "
                             "what is known elsewhere</h2>\n<p>Tested like the claims; here "
                             "<i>holds</i> means that the tension is real.</p>\n");
    spa_report_put_claims(report, true, &page);
    spa_status status = put_figures(report, folder, &page, err);
    put_experiments(report, &page);
    put_skipped(report, &page);
    put_sources(&page);
    spa_string_append(&page, "</body></html>\n");
    if (!status) status = spa_string_ok(&page, err);
    if (!status) status = spa_write_file(path, page.text, page.length, err);
    spa_string_fini(&page);
    return status;
}
