/* sparoa scenarios: what can happen around the inference. */
#include "experiments/lists.h"

spa_status spa_cmd_scenarios(spa_cli *cli, spa_options *options, spa_error *err)
{
    static const spa_named scenarios[] = {
        {"single", "one request at a time, each on an idle machine (default)"},
        {"closed", "--concurrency requests in flight, each followed by the next at once"},
        {"periodic", "one request every 1/--rate seconds; at most --concurrency (64) in flight"},
        {"poisson", "requests at random, --rate per second on average; likewise"},
        {"F.scenario",
         "a file: arrivals, rate_hz, concurrency, requests, warmup, workers, serial_ops"},
    };
    SPA_TRY(spa_cli_operands(options, 0, 0, "", err));
    return spa_print_named(cli, options, "scenarios", "scenario", scenarios, 5, err);
}
