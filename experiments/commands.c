#include "experiments/commands.h"

#include <string.h>

static const char help_inspect[] =
    "Prints one row per operator: MACs, bytes, output sparsity (rho), the quadrant of the\n"
    "paper's plane (sparse when rho >= 0.4, heavy when it has 1e8 MACs or more), and with\n"
    "--device the time on each processor, in microseconds.\n\n"
    "Examples:\n"
    "  sparoa inspect mobilenet_v2\n"
    "  sparoa inspect resnet18 --device agx-orin --dtype fp16\n"
    "  sparoa inspect my.graph.csv --device x86-2core --json\n"
    "  sparoa inspect resnet18 --rewrite tensorrt -o fused.graph.csv\n";

static const char help_simulate[] =
    "Runs one model on one device with one policy, and shows where each operator ran, when,\n"
    "and what was moved; below it times, energy per rail and transfers. The table, the\n"
    "timeline, the chart, the schedule and the log show the first replication; the totals are\n"
    "over all of them (--noise=off makes them one).\n\n"
    "Examples:\n"
    "  sparoa simulate resnet18 --device agx-orin --policy heft --noise=off\n"
    "  sparoa simulate resnet18 --device orin-nano --policy dp --gantt resnet18.svg\n"
    "  sparoa simulate vit_b_16 --device agx-orin@15W --policy greedy --timeline vit.json\n"
    "      (open vit.json in https://ui.perfetto.dev)\n"
    "  sparoa simulate resnet18 --device agx-orin --policy threshold:intensity=1e8 --log a.slog\n";

static const char help_compare[] =
    "The main job: policies side by side. For each model on each device it plans and simulates\n"
    "every policy on common random numbers and prints a table:\n"
    "  latency ms    mean per request, with the half-width of its 95 % confidence interval\n"
    "  p50 p95 p99   quantiles over all requests of all replications\n"
    "  gap           mean latency of a run without noise over the lower bound, minus 1\n"
    "  energy mJ     whole board per inference, idle included; '-' where power is not known\n"
    "  gpu           share of the MACs done on the accelerator\n"
    "  xfers, ms     transfers per request and their summed time\n"
    "  overlap       share of the transfer time during which a kernel ran\n"
    "  plan ms       time this machine took to plan (the only column that varies)\n"
    "With --baseline, rows run what a baseline says instead of a policy of the study's own: its\n"
    "stack is shown, and rows of several stacks are marked as mixed.\n"
    "The best row by the objective is marked with *. A policy that cannot do a case is shown\n"
    "as skipped, with the reason.\n"
    "A model may be a mix that shares the machine, resnet18*3+mobilenet_v2 (weights), or 'mix', "
    "the\n"
    "mix of the scenario; requests are drawn by weight, and each model has a row below the table.\n"
    "With --batcher, requests that arrive by themselves (--rate, poisson, bursty, ...) wait until\n"
    "the batcher closes a batch; a second table says how large batches were and what they cost.\n\n"
    "Examples:\n"
    "  sparoa compare resnet18 --device agx-orin\n"
    "  sparoa compare resnet18 mobilenet_v2 --device agx-orin --device orin-nano@15W\n"
    "  sparoa compare resnet18*3+mobilenet_v2 --device agx-orin --concurrency 4\n"
    "  sparoa compare mobilenet_v2 --device agx-orin --rate 1000 --batcher timeout:size=16:ms=5\n"
    "  sparoa compare all --device x86-2core --policy cpu-only,gpu-only,heft,dp --noise=off\n"
    "  sparoa compare mobilenet_v3_small --device agx-orin --stack pytorch-eager --reps 200\n"
    "  sparoa compare resnet18 --device agx-orin --policy threshold:intensity=1e8:sparsity=0.4\n"
    "  sparoa compare resnet18 --device agx-orin --baseline all\n"
    "  sparoa compare resnet18 --device agx-orin --policy heft --baseline eager,codl\n"
    "  sparoa compare resnet18 --device orin-nano --objective energy --chart energy.png\n"
    "  sparoa compare resnet18 --device agx-orin --concurrency 8 --db results.db --json\n";

static const char help_diff[] =
    "Compares two event logs and shows the first event in which they differ, with what came\n"
    "before it. Exit code 0: equal, 1: different.\n\n"
    "Example:\n"
    "  sparoa simulate resnet18 --device agx-orin --policy heft --seed 1 --log a.slog\n"
    "  sparoa simulate resnet18 --device agx-orin --policy heft --seed 2 --log b.slog\n"
    "  sparoa diff a.slog b.slog\n";

static const char help_log[] = "Says what an event log holds and converts it.\n\n"
                               "Examples:\n"
                               "  sparoa log a.slog\n"
                               "  sparoa log a.slog --csv a.csv --timeline a.json\n";

static const char help_profile[] =
    "Runs every operator of the models on the kernels of this machine, in network order with\n"
    "cold buffers, and writes the times as a trace folder that a device can be driven by.\n\n"
    "Examples:\n"
    "  sparoa profile resnet18 --lanes cpu:0=sparse,cpu:1=blas -o traces/data/mine\n"
    "  sparoa profile all --lanes cpu:0=sparse,cpu:1=blas --runs 40 -o traces/data/mine\n";

static const char help_calibrate[] =
    "Makes a device file of the lanes that traces were measured on: driven by the first trace, "
    "with\n"
    "rates fitted to all of them for what they lack (--missing=model), residuals per class. With\n"
    "--schedules N it also runs N random schedules of every model on this machine and says what\n"
    "they show beyond the profile: fitted on one half, judged on the other.\n\n"
    "Examples:\n"
    "  sparoa calibrate traces/data/mine -o mine.device\n"
    "  sparoa calibrate traces/data/mine -o mine.device --schedules 40\n";

static const char help_replay[] =
    "Runs a schedule on the kernels of this machine and simulates it from a profile of the same\n"
    "lanes (measured now, or --trace): operator by operator, in all, and where the time goes.\n"
    "Its processors are those of the lanes: cpu0, cpu1, ...\n\n"
    "Examples:\n"
    "  sparoa simulate resnet18 --device x86-2core --policy heft --schedule heft.csv\n"
    "  sparoa replay heft.csv --lanes cpu:0=sparse,cpu:1=onednn --gantt pair.svg\n"
    "  sparoa replay heft.csv --lanes cpu:0=sparse,cpu:1=onednn --scenario poisson --rate 15\n"
    "      (also serves a stream of requests: throughput and tail latency beside simulated)\n";

static const char help_validate[] =
    "Profiles the models on these lanes and plans the schedules of the policies. Then runs these,\n"
    "random ones, anchors (all on one lane, operators in turn) and the profile's placements again\n"
    "on real kernels, interleaved in random order, simulates with that second profile, and shows\n"
    "simulated beside measured latencies: median and 95th percentile of the error, Kendall's tau\n"
    "of the ranking, the noise floor, and where the time goes. With --trace, nothing is profiled:\n"
    "how far off is that trace today?\n\n"
    "Examples:\n"
    "  sparoa validate resnet18 --lanes cpu:0=sparse,cpu:1=blas --schedules 20\n"
    "  sparoa validate all --lanes cpu:0=sparse,cpu:1=onednn --schedules 100 --json\n"
    "  sparoa validate mobilenet_v2 --lanes cpu:0=blas,cpu:1=blas --concurrency 4\n";

static const char help_policies[] =
    "Lists the policies with what they can do and where they come from. Parameters follow\n"
    "colons: threshold:intensity=1e8:sparsity=0.4\n\n"
    "With --check it runs the policies of a plug-in on random graphs, devices and scenarios, each\n"
    "policy in a process of its own, and says which rule is broken: that it ends, acts legally,\n"
    "repeats itself, keeps plain memory and copes with unknown sparsities. One that crashes, does\n"
    "not end (--time-limit) or takes all memory (--max-memory, default 4G) is reported by its\n"
    "name. Exit code 1: a policy failed. --policy checks with parameters.\n\n"
    "Examples:\n"
    "  sparoa policies --plugin ./mine.so\n"
    "  sparoa policies --check ./mine.so\n"
    "  sparoa policies --check ./mine.so --policy mine:limit=3 --time-limit 10\n";

static const char help_train[] =
    "Learns where operators run, in the simulator: q-learning, dqn, ppo, sac, sac-split or\n"
    "sac-discrete, with parameters after colons. Writes the best policy found (a text file), and\n"
    "shows it beside rules and searches. The policy then runs wherever policies do: --policy\n"
    "ppo:model=FILE. Choices are processors; sac-split chooses shares of operators between two.\n"
    "\n"
    "Every episode is one model on one device with one batch in one scenario, drawn among those\n"
    "named; devices may be varied, too. What is learned is scored on the devices as they are.\n"
    "\n"
    "threshold+predictor learns where the host stops being faster, from the device's cost table\n"
    "(:kind=NAME:hidden=N:epochs=N:rate=X), and compares predictors.\n"
    "\n"
    "Examples:\n"
    "  sparoa train ppo resnet18 --device agx-orin -o build/out/ppo.actor\n"
    "  sparoa train sac mobilenet_v2 --device crossover --noise off --steps 50000 -o sac.actor\n"
    "  sparoa train threshold+predictor all --device crossover -o crossover.thresholds\n"
    "  sparoa train dqn:envs=8 all --device agx-orin -o dqn.actor --curve dqn.svg --db "
    "results.db\n"
    "  sparoa train ppo all --device agx-orin --batch 1,8 --scenario single,closed --threads 2\n"
    "      --vary-speed 1.3 --vary-transfer 2 --variants 16 -o wide.actor\n";

static const char help_figures[] =
    "Draws the study's figures, or those named, from results.db by gnuplot: SVG, PNG and PDF,\n"
    "with the data of each beside it (CSV). What is up to date is kept (--force makes it anew).\n\n"
    "  quadrants latency distribution breakdown batching ablation search convergence power\n"
    "  energy predictor       as in the paper\n"
    "  gap contention launch sparsity noise matrix batches validation\n\n"
    "Examples:\n"
    "  sparoa figures --db results.db -o build/out/figures\n"
    "  sparoa figures latency matrix --db results.db -o build/out/figures\n";

static const char help_completion[] =
    "Writes what a shell needs to complete command lines, or sparoa(1) as roff; `make install`\n"
    "puts all three in their places.\n\n"
    "Examples:\n"
    "  source <(sparoa completion bash)\n"
    "  sparoa completion man | man -l -\n";

static const char help_run[] =
    "Runs what experiment files (experiments/*.exp) say: every combination of their factors with\n"
    "every policy, replicated until the interval of the mean is as narrow as they ask for, on\n"
    "common random numbers, each compared with a reference. Every row is in the database as soon\n"
    "as it is done, and is not run again: stop it and go on any time.\n\n"
    "Examples:\n"
    "  sparoa run experiments/latency.exp --jobs 2\n"
    "  sparoa run experiments/*.exp --db build/out/study/results.db --quick\n";
static const char help_import[] =
    "Reads what other programs measured. Formats: trtexec, ort (ONNX Runtime) and torch "
    "(PyTorch's\n"
    "profiler) time layers: they become rows of a trace folder with the origin 'imported', by the\n"
    "names of the model's nodes, else by kind and shape; the time of fused layers goes to their\n"
    "largest operator. What was not mapped is listed with its share of the time. A folder that is\n"
    "there already keeps its rows of other processors, batches and types.\n"
    "tegrastats logs become power per rail; nsys summaries kernels by what they compute.\n"
    "onnx: a model becomes a graph file (an *.onnx file may also stand wherever a MODEL does).\n\n"
    "Examples:\n"
    "  sparoa import onnx resnet50.onnx -o resnet50.graph.csv\n"
    "  sparoa import onnx bert.onnx --shape input_ids=1x128 -o bert.graph.csv\n"
    "  sparoa import trtexec profile.json --layers layers.json --model resnet18 --dtype fp16 "
    "-o mine\n"
    "  sparoa import ort profile.json --model resnet18 -o mine\n"
    "  sparoa import tegrastats tegra.log --from 30 --until 60 -o power.csv\n"
    "  sparoa import nsys cuda_gpu_kern_sum.csv\n";

static const char help_report[] =
    "Judges every claim of the paper by the rows of results.db: holds, holds only if ..., does "
    "not\n"
    "hold, cannot be told. Writes one self-contained page with all figures; prints the verdicts.\n"
    "--json prints them as a document, and then needs no -o.\n\n"
    "Examples:\n"
    "  sparoa report --db results.db -o build/out/report.html\n"
    "  sparoa report --db results.db --json\n";
static const char help_export[] =
    "Writes a model with its weights as an ONNX file (opset 17): seeded weights, as 'profile' and\n"
    "'replay' have them, or those of an *.onnx file. Reading it back gives the same graph.\n\n"
    "Examples:\n"
    "  sparoa export onnx resnet18 -o resnet18.onnx\n"
    "  sparoa export onnx vit_b_16 --batch 4 --seed 7 -o vit.onnx\n";

static const char help_merge[] = "Puts everything that the other databases hold into the first "
                                 "one. Merging again adds nothing,\n"
                                 "and the order does not matter. Runs that several hold must have "
                                 "equal repeatable values; those\n"
                                 "of host clocks are kept side by side (table host_value).\n\n"
                                 "Example:\n"
                                 "  sparoa merge all.db shard-1.db shard-2.db\n";

static const spa_command commands[] = {
    {"models", SPA_CMD_MODELS, "", "list the models of the zoo", NULL, spa_cmd_models},
    {"devices", SPA_CMD_DEVICES, "", "list the devices, their modes and software stacks", NULL,
     spa_cmd_devices},
    {"policies", SPA_CMD_POLICIES, "", "list the policies", help_policies, spa_cmd_policies},
    {"baselines", SPA_CMD_BASELINES, "", "list the baselines with their sources", NULL,
     spa_cmd_baselines},
    {"batchers", SPA_CMD_BATCHERS, "", "list the batchers", NULL, spa_cmd_batchers},
    {"scenarios", SPA_CMD_SCENARIOS, "", "list the scenarios", NULL, spa_cmd_scenarios},
    {"inspect", SPA_CMD_INSPECT, "MODEL [--device D]", "show a model's operators, one per row",
     help_inspect, spa_cmd_inspect},
    {"simulate", SPA_CMD_SIMULATE, "MODEL --device D --policy P",
     "one policy, operator by operator", help_simulate, spa_cmd_simulate},
    {"compare", SPA_CMD_COMPARE, "MODEL... --device D [--policy P]", "policies side by side",
     help_compare, spa_cmd_compare},
    {"diff", SPA_CMD_DIFF, "A.slog B.slog", "the first event in which two runs differ", help_diff,
     spa_cmd_diff},
    {"log", SPA_CMD_LOG, "F.slog [--csv F.csv] [--timeline F.json]", "show or convert an event log",
     help_log, spa_cmd_log},
    {"profile", SPA_CMD_PROFILE, "MODEL... --lanes L -o DIR", "measure a trace on this machine",
     help_profile, spa_cmd_profile},
    {"calibrate", SPA_CMD_CALIBRATE, "DIR... -o FILE.device", "fit a device model to traces",
     help_calibrate, spa_cmd_calibrate},
    {"replay", SPA_CMD_REPLAY, "SCHEDULE.csv [GRAPH] --lanes L",
     "run a schedule on real kernels, beside its simulation", help_replay, spa_cmd_replay},
    {"validate", SPA_CMD_VALIDATE, "MODEL... --lanes L", "simulated against measured",
     help_validate, spa_cmd_validate},
    {"train", SPA_CMD_TRAIN, "POLICY MODEL... --device D -o FILE", "learn a policy", help_train,
     spa_cmd_train},
    {"completion", SPA_CMD_COMPLETION, "bash|zsh|man", "write completions, or the manual page",
     help_completion, spa_cmd_completion},
    {"run", SPA_CMD_RUN, "FILE.exp...", "whole experiments into results.db", help_run, spa_cmd_run},
    {"merge", SPA_CMD_MERGE, "OUT.db IN.db...", "join results of several machines", help_merge,
     spa_cmd_merge},
    {"figures", SPA_CMD_FIGURES, "[NAME...] --db F -o DIR", "figures from results.db", help_figures,
     spa_cmd_figures},
    {"report", SPA_CMD_REPORT, "--db F -o FILE.html",
     "the scorecard of the paper's claims, one page", help_report, spa_cmd_report},
    {"import", SPA_CMD_IMPORT, "FORMAT FILE [-o OUT]", "bring measured data from elsewhere",
     help_import, spa_cmd_import},
    {"export", SPA_CMD_EXPORT, "onnx MODEL -o FILE.onnx", "write a model as ONNX", help_export,
     spa_cmd_export},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

const spa_command *spa_commands(size_t *count)
{
    *count = N_COMMANDS;
    return commands;
}

spa_status spa_command_find(const char *name, const spa_command **out, spa_error *err)
{
    const char *names[N_COMMANDS];
    *out = NULL;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(names[i], name) != 0) continue;
        if (!commands[i].run) {
            return spa_fail(err, SPA_E_USAGE, "'%s' is not built in this version", name);
        }
        *out = &commands[i];
        return SPA_OK;
    }
    int near = spa_nearest_name(name, names, N_COMMANDS);
    if (near >= 0) {
        return spa_fail(err, SPA_E_USAGE, "unknown command '%.200s'; did you mean '%s'?", name,
                        names[near]);
    }
    return spa_fail(err, SPA_E_USAGE, "unknown command '%.200s'; see 'sparoa --help'", name);
}

void spa_help_overview(spa_string *out)
{
    spa_string_append(
        out, "sparoa: simulate and compare how DNN inference is scheduled on CPU and GPU.\n"
             "\nUsage: sparoa COMMAND [OPTIONS]\n\nCommands:\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (!commands[i].run) continue;
        spa_string_append(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    spa_string_append(out, "  %-10s %s", "help", "explain a command: sparoa help compare");
    spa_string_append(
        out, "\n\nTry first:\n"
             "  sparoa compare resnet18 --device agx-orin\n"
             "  sparoa compare --help\n\n"
             "Results go to the standard output, everything else to the standard error. Exit\n"
             "codes: 0 done, 1 failed, 2 wrong usage. SPAROA_DATA names the folder that holds\n"
             "devices/data and traces/data, if the program does not find it by itself.\n");
}

void spa_help_command(spa_string *out, const spa_command *command)
{
    spa_string_append(out, "Usage: sparoa %s%s%s [OPTIONS]\n\n%s: %s.\n\n", command->name,
                      command->operands[0] ? " " : "", command->operands, command->name,
                      command->summary);
    if (command->details) spa_string_append(out, "%s\n", command->details);
    spa_options_help(out, command->bit);
}
