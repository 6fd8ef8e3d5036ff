/* sparoa report: the scorecard of the paper's claims as one page. */
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "experiments/cli.h"
#include "experiments/report.h"

static void today(char text[32])
{
    time_t now = time(NULL);
    struct tm tm;
    strcpy(text, "an unknown day");
    if (gmtime_r(&now, &tm)) strftime(text, 32, "%Y-%m-%d", &tm);
}

spa_status spa_cmd_report(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_report report;
    char date[32];
    SPA_TRY(spa_cli_operands(options, 0, 0, "no operand", err));
    if (!options->db)
        return spa_fail(err, SPA_E_USAGE, "'report' needs --db F; see 'sparoa report --help'");
    if (!options->output && !options->json)
        return spa_fail(err, SPA_E_USAGE,
                        "'report' needs -o FILE.html (or --json); see 'sparoa report --help'");
    SPA_TRY(spa_report_open(&report, options->db, err));
    spa_status status = SPA_OK;
    if (options->output) {
        today(date);
        status = spa_report_page(&report, options->output, date, err);
    }
    if (!status && options->json) status = spa_report_print_json(&report, &cli->out, err);
    if (!status && !options->json) status = spa_report_print(&report, &cli->out, err);
    if (!status && options->output) spa_cli_note(cli, options, "report: %s", options->output);
    spa_report_close(&report);
    return status;
}
