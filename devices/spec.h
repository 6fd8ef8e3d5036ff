/* What a device file says, checked and in SI units. Private to devices/ and its tests. */
#ifndef SPA_DEVICES_SPEC_H
#define SPA_DEVICES_SPEC_H

#include "base/ini.h"
#include "devices/device.h"

#define SPEC_MAX_MODES  16
#define SPEC_MAX_STACKS 16
#define SPEC_MAX_CORES  256

/* ---- rates --------------------------------------------------------------------------------- */

/* A rate class is an operator kind, or one of these. Dense 1x1 convolutions and depthwise ones
 * have classes of their own; dense 3x3 ones of stride 1, where Winograd's algorithm applies, may
 * have one, else they are `conv`; likewise linear layers that multiply a matrix, not a vector (more
 * than one row per sample), else they are `linear`. `elementwise` and `move` stand for all kinds
 * that compute or only move, where the file says nothing about the kind itself. */
enum {
    SPEC_CLASS_CONV1X1 = SPA_OP_KIND_COUNT,
    SPEC_CLASS_CONV3X3,
    SPEC_CLASS_DEPTHWISE,
    SPEC_CLASS_LINEAR_ROWS,
    SPEC_CLASS_ELEMENTWISE,
    SPEC_CLASS_MOVE,
    SPEC_CLASS_COUNT
};

/* NaN = the file says nothing. */
typedef struct spec_rate {
    double work_per_s; /* MACs/s (kinds that have MACs) or operations/s, at reference speed: of
                          one core of a CPU, of a whole accelerator */
    double x_half;     /* output elements at which half of it is reached, per core or whole */
    double fp16;       /* how much faster fp16 is than fp32 */
    double bytes_per_s;
    double launch_cycles; /* of the host */
    double kernel_cycles; /* of this processor, for every kernel */
} spec_rate;

/* Rates of one stack on one processor. */
typedef struct spec_rates {
    bool given;
    spec_rate classes[SPEC_CLASS_COUNT];
    uint8_t like[SPEC_CLASS_COUNT]; /* class that says what this one does not; SPEC_CLASS_COUNT =
                                       none */
    spec_rate common;               /* what holds for every class that does not say otherwise */
    double max_bytes_per_s; /* of all cores together; NaN = the first core's times their number */
    double parallel;        /* Amdahl's parallel part of a kernel, [0, 1] */
    double max_cores;       /* more cores than these make nothing faster */
    double barrier_cycles;  /* fork and join of a kernel on more than one core */
    double barrier_core_cycles; /* and for each core of it */
    double noise_cv;
    const char *path; /* for messages */
} spec_rates;

/* ---- the machine --------------------------------------------------------------------------- */

typedef struct spec_processor {
    const char *name;
    const char *selector; /* what --lanes calls it; several processors may share one */
    spa_role role;
    bool is_cpu;                  /* lanes are sets of cores; else lanes are streams */
    uint32_t first_core, n_cores; /* cores, or streams 0 .. n_cores-1 */
} spec_processor;

typedef struct spec_speed {
    double clock_hz;
    double units; /* SMs powered; 1 where the file says nothing */
} spec_speed;

typedef struct spec_power {
    double idle_w, core_w_per_hz, busy_w;
} spec_power;

typedef struct spec_mode {
    const char *name;
    spec_speed speed[SPA_MAX_PROCESSORS];
    uint32_t cores[SPA_MAX_PROCESSORS]; /* online */
    double dram_bytes_per_s;
    double idle_w; /* whole board */
    spec_power power[SPA_MAX_PROCESSORS];
} spec_mode;

/* ---- software ------------------------------------------------------------------------------ */

typedef struct spec_link {
    bool given, zero_copy, on_lane;
    double latency_s, sync_cycles, issue_cycles, bytes_per_s, dynamic_w;
    uint8_t queue;
} spec_link;

/* A number that nobody measured: what is thought best, and how far it may be off. */
typedef struct spec_range {
    double value, low, high;
} spec_range;

typedef struct spec_stack {
    const char *name, *summary, *lanes;
    const char *like; /* the stack whose rates and links it has, or NULL */
    /* Of a stack that is like another, against that one: how long kernels compute; host cycles per
     * launch of any kind (NaN = as there). */
    spec_range kernel_factor[SPA_MAX_PROCESSORS], launch_cycles[SPA_MAX_PROCESSORS];
    bool dispatch_occupies_host, blocking_sync;
    int computes; /* spa_dtype it always computes in, or -1: the graph's */
    bool folds[SPA_OP_KIND_COUNT];
    uint32_t calibrated; /* bit m: rates were fitted or measured in mode m of this device */
    double run_cv;
    bool present[SPA_MAX_PROCESSORS], is_async[SPA_MAX_PROCESSORS];
    const char *backend[SPA_MAX_PROCESSORS];
    spec_rates rates[SPA_MAX_PROCESSORS];
    spec_link links[SPA_MAX_PROCESSORS][SPA_MAX_PROCESSORS];
    uint8_t n_queues;
} spec_stack;

typedef struct spec_contention {
    double pressure, slow_a, slow_b;
} spec_contention;

struct spa_device {
    spa_device_info info;
    spa_arena arena;
    bool shared_memory, power_known;
    uint32_t n_processors, n_modes, n_stacks;
    uint32_t host;
    uint32_t mode, stack; /* used when nothing else is asked for */
    spec_processor processors[SPA_MAX_PROCESSORS];
    spec_contention contention[SPA_MAX_PROCESSORS];
    spec_speed reference[SPA_MAX_PROCESSORS]; /* speeds at which the rates hold */
    double reference_dram;
    spec_mode modes[SPEC_MAX_MODES];
    spec_stack stacks[SPEC_MAX_STACKS];
    const char *names[SPEC_MAX_MODES + SPEC_MAX_STACKS + SPA_MAX_PROCESSORS];
};

/* ---- reading (spec_read.c) ----------------------------------------------------------------- */

/* The files of a device: its own, what it includes, and those of the device it is like. */
#define SPEC_MAX_FILES 8
typedef struct spec_files {
    spa_ini ini[SPEC_MAX_FILES];
    bool base[SPEC_MAX_FILES]; /* of the device it is like: only what the own files lack */
    size_t n;
} spec_files;

spa_status spec_files_open(spec_files *files, const char *path, spa_error *err);
void spec_files_close(spec_files *files);
spa_status spec_files_check_unused(const spec_files *files, spa_error *err);

/* The file that has this entry (or, where none has it, this section; else the device's own). An
 * entry that two files of one device have is an error. */
spa_status spec_home(spec_files *files, const char *section, const char *key, spa_ini **home,
                     const spa_ini_entry **entry, spa_error *err);
/* A number within bounds, with its source. `missing` NaN = it must be there. */
spa_status spec_number(spec_files *files, const char *section, const char *key, double missing,
                       double min, double max, double *out, spa_error *err);
/* The same, but NaN where it is not there. */
spa_status spec_optional(spec_files *files, const char *section, const char *key, double min,
                         double max, double *out, spa_error *err);
spa_status spec_text(spec_files *files, const char *section, const char *key, const char *missing,
                     const char **out, spa_error *err);
spa_status spec_flag(spec_files *files, const char *section, const char *key, int missing,
                     bool *out, spa_error *err);
/* Fails unless the entry's comment reads "kind: source". */
spa_status spec_check_source(const spa_ini *ini, const spa_ini_entry *entry, spa_error *err);
/* An entry's value as a number within bounds, with its source. */
spa_status spec_entry_number(const spa_ini *ini, const spa_ini_entry *entry, double min, double max,
                             double *out, spa_error *err);

/* ---- parsing (device_parse.c, rates_parse.c) --------------------------------------------- */

spa_status spec_parse(spa_device *device, spec_files *files, const char *path, spa_error *err);
/* "0.5 [0.25, 1]", or a number alone: then its kind must be one of something known. */
spa_status spec_entry_range(const spa_ini *ini, const spa_ini_entry *entry, double min, double max,
                            spec_range *out, spa_error *err);
/* [stack NAME] of one that is like `base`, which is parsed. */
spa_status spec_parse_like(spa_device *device, spec_files *files, spec_stack *stack,
                           const spec_stack *base, spa_error *err);
spa_status spec_parse_stacks(spa_device *device, spec_files *files, spa_error *err);
spa_status spec_parse_rates(spa_device *device, spec_files *files, const char *stack,
                            const char *processor, spec_rates *rates, spa_error *err);
const char *spec_class_name(unsigned rate_class);

/* ---- lanes (lanes.c) ----------------------------------------------------------------------- */

typedef struct spec_lanes {
    bool used[SPA_MAX_PROCESSORS];
    uint32_t n_lanes[SPA_MAX_PROCESSORS], cores_per_lane[SPA_MAX_PROCESSORS];
    const char *backend[SPA_MAX_PROCESSORS]; /* NULL = the stack's */
    const char *text;                        /* as given, "all" written out */
} spec_lanes;

/* "cpu:0-3,gpu:0", "cpu:0=sparse,cpu:1=blas", "cpu:all". Strings go to `arena`. */
spa_status spec_lanes_parse(spec_lanes *lanes, const spa_device *device, const spec_mode *mode,
                            const char *text, spa_arena *arena, spa_error *err);

/* ---- the cost equation (equation.c) ------------------------------------------------------ */

/* One processor as a run has it. */
typedef struct spec_point {
    const spec_rates *rates;
    bool is_cpu;
    bool fp16;           /* the rates are for fp32 and it computes in fp16 */
    double bytes_factor; /* bytes moved per byte of the graph's dtype */
    double clock_hz, host_hz;
    double clock_ratio, units_ratio, dram_ratio; /* to the speeds at which the rates hold */
    double cores;                                /* of a lane; 1 for an accelerator */
    double part;                                 /* of the operator's output that is computed */
    double kernel_factor;                        /* of computing time; 1 for most stacks */
    double launch_cycles;                        /* instead of the rates'; NaN = theirs */
    const char *section;                         /* for messages: "rates ncnn gpu" */
} spec_point;

typedef struct spec_time {
    double kernel_s, launch_s;
    double fill; /* x/(x + x_half): how much of the processor a kernel of this size fills */
    double bytes;
    /* kernel_s = clocked_s + max(bound_s, memory_s): see spa_op_speed */
    double clocked_s, bound_s, memory_s;
} spec_time;

unsigned spec_class_of(const spa_graph *graph, const spa_op *op);
/* Isolated time of an operator; `zero_gain` = g_p, the part of its work that zeros save. */
spa_status spec_op_time(const spec_point *point, const spa_graph *graph, const spa_op *op,
                        double zero_gain, spec_time *out, spa_error *err);
/* Operators that a stack folds into the one before them: folded[n_ops]. */
void spec_find_folded(const spec_stack *stack, const spa_graph *graph, bool *folded);

/* ---- measured rows (measured.c) ---------------------------------------------------------- */

/* The rows of a trace that fit a table: [n_ops * n_processors], NULL = none. */
typedef struct spec_measured {
    const spa_trace *trace;
    const spa_trace_model *model;
    const spa_trace_cost **alone, **corun;
    const spa_trace_cost **parts; /* [n_ops * n_processors * (SPA_TENTHS - 1)] */
} spec_measured;

spa_status spec_measured_index(spec_measured *m, const spa_trace *trace, const spa_costs *costs,
                               spa_dtype dtype, spa_arena *arena, spa_error *err);
/* Time in seconds of a row at `zeros` of the inputs (NaN = as it was measured). */
double spec_measured_seconds(const spec_measured *m, const spa_trace_cost *row,
                             const spa_graph *graph, const spa_op *op, double zeros);
/* Speed-up against dense input at a fraction of zeros; 1 where nothing was measured. */
double spec_response(const spa_trace *trace, const char *processor, const char *backend,
                     const spa_graph *graph, const spa_op *op, double zeros);
/* Time of a transfer in seconds; false = this pair was not measured. */
bool spec_measured_transfer(const spa_trace *trace, const char *from, const char *to, double bytes,
                            double *seconds);
/* The same of a copy that the destination's lane makes, hand-off included. O(copies). */
bool spec_measured_copy(const spec_measured *m, const spa_costs *costs, size_t tensor,
                        uint32_t from, uint32_t to, double *seconds);
/* From one operator to the next on a processor; false (and untouched) = not measured. */
bool spec_measured_launch(const spa_trace *trace, const char *processor, double *seconds);
/* The time of a row that adds up best. */
double spec_row_us(const spa_trace_cost *row);

#endif
