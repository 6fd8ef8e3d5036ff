/* make fidelity: predictions beside published measurements, in one table. */
#include <gsl/gsl_errno.h>
#include <stdio.h>
#include <string.h>
#include "experiments/fidelity.h"

static spa_status report(const fidelity *f, bool json, const char *csv, spa_error *err)
{
    spa_string text = {0}, points = {0};
    spa_status status = json ? fidelity_json(f, &text, err) : fidelity_table(f, &text, err);
    if (status == SPA_OK && csv) status = fidelity_csv(f, &points, err);
    if (status == SPA_OK && csv) status = spa_write_file(csv, points.text, points.length, err);
    if (status == SPA_OK) fputs(text.text, stdout);
    spa_string_fini(&text);
    spa_string_fini(&points);
    return status;
}

int main(int argc, char **argv)
{
    const char *folder = "../shared/data", *csv = NULL;
    bool json = false;
    fidelity f;
    spa_error err = {0};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json")) {
            json = true;
        } else if (!strcmp(argv[i], "--csv") && i + 1 < argc) {
            csv = argv[++i];
        } else if (argv[i][0] != '-') {
            folder = argv[i];
        } else {
            fprintf(stderr, "usage: fidelity [DATA] [--json] [--csv FILE]\n");
            return 2;
        }
    }
    gsl_set_error_handler_off();
    if (!fit_data_present(folder)) {
        printf("skipped: the measurements are not in %s (set DATA=FOLDER)\n", folder);
        return 0;
    }
    spa_status status = fidelity_run(&f, folder, &err);
    if (status == SPA_OK) {
        status = report(&f, json, csv, &err);
        fidelity_fini(&f);
    }
    if (status == SPA_OK) return 0;
    fprintf(stderr, "fidelity: %s\n", err.message);
    return 1;
}
