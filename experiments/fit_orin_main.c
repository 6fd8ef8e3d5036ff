/* make fit-orin: fits agx-orin's rates to published measurements and writes the include. */
#include <gsl/gsl_errno.h>
#include <stdio.h>
#include <string.h>
#include "experiments/fit.h"

static int fail(const spa_error *err)
{
    fprintf(stderr, "fit-orin: %s\n", err->message);
    return 1;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../shared/data";
    const char *path = argc > 2 ? argv[2] : "devices/data/agx-orin.fit.ini";
    fit_orin *orin = NULL;
    spa_string text = {0};
    spa_error err = {0};
    if (argc > 3) {
        fprintf(stderr, "usage: fit_orin [DATA [OUT.fit.ini]]\n");
        return 2;
    }
    gsl_set_error_handler_off();
    if (!fit_data_present(folder)) {
        printf("skipped: the measurements are not in %s (set DATA=FOLDER); %s is as it was\n",
               folder, path);
        return 0;
    }
    if (fit_orin_new(&orin, folder, &err) != SPA_OK) return fail(&err);
    spa_status status = fit_orin_print(orin, &text, &err);
    if (status == SPA_OK) status = spa_write_file(path, text.text, text.length, &err);
    if (status == SPA_OK) printf("%s: %zu inputs fitted\n", path, orin->data.n_sources);
    spa_string_fini(&text);
    fit_orin_free(orin);
    return status == SPA_OK ? 0 : fail(&err);
}
