/* The report: what the database says of the paper's claims, with all figures, as one page. */
#ifndef SPA_EXPERIMENTS_REPORT_H
#define SPA_EXPERIMENTS_REPORT_H

#include "experiments/claims.h"
#include "experiments/figures.h"

typedef struct spa_report {
    spa_evidence evidence;
    spa_finding *findings; /* one per claim */
    size_t n_findings;
    size_t counts[4]; /* of verdicts, claims of the paper only */
} spa_report;

/* Reads the database and judges every claim. spa_report_close unless it failed. */
spa_status spa_report_open(spa_report *report, const char *db, spa_error *err);
void spa_report_close(spa_report *report);

/* "1.25 x", with "[1.20, 1.31]" where an interval is known; "-" when there is no value. */
const char *spa_finding_value(const spa_finding *finding, char text[96]);
/* The least and largest value over the assumptions; false = there are not two. */
bool spa_finding_range(const spa_finding *finding, double *low, double *high);

/* A table of claims with verdicts, for a terminal. */
spa_status spa_report_print(const spa_report *report, spa_string *out, spa_error *err);
/* The document "sparoa.report/1". */
spa_status spa_report_print_json(const spa_report *report, spa_string *out, spa_error *err);
/* The page. Without gnuplot it says in place of each figure what to install. */
spa_status spa_report_page(const spa_report *report, const char *path, const char *date,
                           spa_error *err);

/* ---- parts of the page (report_page.c, report_claims.c) ---- */
void spa_report_put_claims(const spa_report *report, bool tensions, spa_string *out);

#endif
