/* make fit-power: fits the power of both Jetsons to published measurements and writes the includes.
 */
#include <stdio.h>
#include "experiments/fit_power.h"

static int fail(const spa_error *err)
{
    fprintf(stderr, "fit-power: %s\n", err->message);
    return 1;
}

static spa_status write_board(const fit_power *p, const fit_power_board *b, const char *folder,
                              spa_error *err)
{
    spa_string text = {0};
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s.power.fit.ini", folder, b->device) >=
        sizeof path)
        return spa_fail(err, SPA_E_RANGE, "%s: the path is too long", folder);
    spa_status status = fit_power_print(p, b, &text, err);
    if (!status) status = spa_write_file(path, text.text, text.length, err);
    spa_string_fini(&text);
    return status;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "../shared/data";
    const char *out = argc > 2 ? argv[2] : "devices/data";
    fit_power *power = NULL;
    spa_string report = {0};
    spa_error err = {0};
    if (argc > 3) {
        fprintf(stderr, "usage: fit_power [DATA [FOLDER]]\n");
        return 2;
    }
    if (!fit_power_present(folder)) {
        printf("skipped: the measurements are not in %s (set DATA=FOLDER); %s is as it was\n",
               folder, out);
        return 0;
    }
    spa_status status = fit_power_new(&power, folder, &err);
    if (!status) status = write_board(power, &power->agx, out, &err);
    if (!status) status = write_board(power, &power->nano, out, &err);
    if (!status) status = fit_power_report(power, &report, &err);
    if (!status) printf("%s", report.text);
    spa_string_fini(&report);
    fit_power_free(power);
    return status ? fail(&err) : 0;
}
