#include "experiments/baselines.h"

#include <stdio.h>
#include <string.h>

/* What runs operators side by side on one accelerator. More streams changed no latency of the zoo's
 * models on the modelled boards by 1 %. */
#define TWO_STREAMS "cpu:all,gpu:0,gpu:1"

/* docs/baselines.md says what each one leaves out. "SparOA" is arXiv 2511.19457. */
static const spa_baseline table[] = {
    {.name = "cpu-only",
     .summary = "every operator on the host's cores",
     .source = "SparOA, baseline CPU-Only; here on the study's stack",
     .policy = "cpu-only",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "gpu-only",
     .summary = "every operator on the accelerator, one dispatched after another",
     .source = "SparOA, baseline GPU-Only; here on the study's stack",
     .policy = "gpu-only",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "eager-cpu",
     .summary = "PyTorch eager on the host's cores",
     .source = "SparOA, baseline CPU-Only; Paszke et al., NeurIPS 2019",
     .policy = "cpu-only",
     .stack = "pytorch-eager",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "eager",
     .summary = "PyTorch eager on the accelerator: one operator dispatched at a time",
     .source = "SparOA, baseline GPU-Only; Paszke et al., NeurIPS 2019",
     .policy = "gpu-only",
     .stack = "pytorch-eager",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "tensorflow",
     .summary = "a static graph with batch norms folded, operators dispatched one after another",
     .source = "SparOA, baseline TensorFlow; Abadi et al., OSDI 2016 (Grappler folds batch norms)",
     .policy = "gpu-only",
     .stack = "tensorflow",
     .rewrite = "fold-bn",
     .has_range = true,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "tensorrt",
     .summary = "fused graph, kernels chosen by timing, one CUDA graph",
     .source = "SparOA, baseline TensorRT; NVIDIA TensorRT developer guide",
     .policy = "gpu-only",
     .stack = "tensorrt",
     .rewrite = "tensorrt",
     .has_range = true,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "tensorrt-fp16",
     .summary = "the same in half precision",
     .source = "SparOA, baseline TensorRT (its precision is not stated)",
     .policy = "gpu-only",
     .stack = "tensorrt-fp16",
     .rewrite = "tensorrt",
     .has_range = true,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "tensorrt-streams",
     .summary = "the same in fp32 with an auxiliary stream",
     .source = "NVIDIA TensorRT developer guide, within-inference multi-streaming",
     .policy = "opara",
     .stack = "tensorrt",
     .lanes = TWO_STREAMS,
     .rewrite = "tensorrt",
     .has_range = true,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "tvm",
     .summary = "fused graph, tuned kernels, one after another",
     .source = "SparOA, baseline TVM; Chen et al., OSDI 2018",
     .policy = "gpu-only",
     .stack = "tvm",
     .rewrite = "tvm",
     .has_range = true,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "ios",
     .summary = "stages of groups that run at once, by dynamic programming",
     .source = "SparOA, baseline IOS; Ding et al., MLSys 2021",
     .policy = "ios",
     .lanes = TWO_STREAMS,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "pos",
     .summary = "stages found by search",
     .source = "SparOA, baseline POS; Zhang et al., IPSN 2023",
     .policy = "pos",
     .lanes = TWO_STREAMS,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "opara",
     .summary = "streams of one accelerator, the smallest demand first",
     .source = "Opara, Chen et al., arXiv 2312.10351",
     .policy = "opara",
     .lanes = TWO_STREAMS,
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "codl",
     .summary = "operators split between the processors",
     .source = "CoDL, Jia et al., MobiSys 2022",
     .policy = "codl",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "engine-only",
     .summary = "SparOA's engine with fixed thresholds, nothing predicted or learned",
     .source = "SparOA, ablation: engine only",
     .policy = "threshold",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "sparoa-no-rl",
     .summary = "SparOA's engine with predicted thresholds, nothing learned",
     .source = "SparOA, baseline SparOA w/o RL; ablation: + predictor",
     .policy = "threshold+predictor",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "sparoa-greedy",
     .summary = "SparOA's engine, each operator where it is done first",
     .source = "SparOA, baseline SparOA+Greedy",
     .policy = "greedy",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "sparoa-dp",
     .summary = "SparOA's engine, placements by dynamic programming",
     .source = "SparOA, baseline SparOA+DP",
     .policy = "dp",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "sparoa",
     .summary = "SparOA: engine, predicted thresholds, a schedule by soft actor-critic",
     .source = "SparOA, the whole system: its scheduler searches offline",
     .policy = "sac:offline=1",
     .dtype = SPA_BASELINE_DTYPE},
    {.name = "sparoa-online",
     .summary = "the same, deciding operator by operator at run time, and paying for it",
     .source = "SparOA's scheduler as a dispatcher; not in the paper",
     .policy = "sac",
     .dtype = SPA_BASELINE_DTYPE},
};
enum { N_BASELINES = sizeof table / sizeof *table };

const spa_baseline *spa_baselines(size_t *count)
{
    *count = N_BASELINES;
    return table;
}

spa_status spa_baseline_find(const char *name, const spa_baseline **out, spa_error *err)
{
    const char *names[N_BASELINES];
    *out = NULL;
    for (size_t i = 0; i < N_BASELINES; i++) {
        names[i] = table[i].name;
        if (strcmp(names[i], name) != 0) continue;
        *out = &table[i];
        return SPA_OK;
    }
    return spa_fail_unknown(err, "baseline", name, names, N_BASELINES);
}

spa_status spa_baseline_parse(const char *text, const spa_baseline **out, spa_range_end *end,
                              spa_error *err)
{
    static const char *const ends[] = {"low", "mid", "high"};
    static const spa_range_end values[] = {SPA_RANGE_LOW, SPA_RANGE_MID, SPA_RANGE_HIGH};
    const char *at = strchr(text, '@');
    char name[64];
    size_t length = at ? (size_t)(at - text) : strlen(text);
    *end = SPA_RANGE_MID;
    snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
             text);
    SPA_TRY(spa_baseline_find(name, out, err));
    if (!at) return SPA_OK;
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(at + 1, ends[i]) != 0) continue;
        *end = values[i];
        if ((*out)->has_range) return SPA_OK;
        return spa_fail(err, SPA_E_INVALID, "baseline '%s' has no range; leave '%s' out", name, at);
    }
    return spa_fail_unknown(err, "end of a range", at + 1, ends, 3);
}

const char *spa_baseline_range_name(const spa_baseline *b, spa_range_end end)
{
    if (!b || !b->has_range) return "";
    return end == SPA_RANGE_LOW ? "low" : end == SPA_RANGE_HIGH ? "high" : "mid";
}

bool spa_baseline_has_own_costs(const spa_baseline *b)
{
    return b->stack || b->lanes || b->rewrite || b->dtype != SPA_BASELINE_DTYPE;
}

void spa_baseline_apply(const spa_baseline *b, spa_range_end end, spa_options *options)
{
    options->baseline_range = (int)end;
    /* Lanes belong to a stack: those of the study may be more than another stack can use. */
    if (b->stack) options->lanes = NULL;
    if (b->stack) options->stack = b->stack;
    if (b->lanes) options->lanes = b->lanes;
    if (b->rewrite) options->rewrite = b->rewrite;
    if (b->dtype != SPA_BASELINE_DTYPE) options->dtype = b->dtype;
}
