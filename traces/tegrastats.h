/* Logs of NVIDIA's tegrastats: load, clocks, temperatures and power per rail of a Jetson board. */
#ifndef SPA_TRACES_TEGRASTATS_H
#define SPA_TRACES_TEGRASTATS_H

#include "base/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_TEGRA_RAILS 16
#define SPA_TEGRA_CORES 32

/* One line. What it does not tell is NaN. */
typedef struct spa_tegra_sample {
    double time_s; /* since the first line; NaN without a date (before JetPack 5) */
    double rail_w[SPA_TEGRA_RAILS];
    double cpu_load; /* mean over the cores that are on, in [0, 1] */
    double cpu_mhz;  /* mean over the cores that are on */
    double core_ghz; /* load times clock, summed over them: busy cores times GHz */
    double gpu_load, gpu_mhz;
    double hottest_c; /* of all sensors but PMIC, which is a constant */
    int n_cores;      /* that are on */
    int line;
} spa_tegra_sample;

typedef struct spa_tegrastats {
    size_t n, capacity;
    spa_tegra_sample *samples; /* [n] */
    size_t n_rails;
    const char *rails[SPA_TEGRA_RAILS]; /* "VDD_IN", in the order of their first appearance */
    size_t skipped;                     /* lines that are not tegrastats' */
    spa_arena arena;
} spa_tegrastats;

/* Reads a log: Orin's lines ("VDD_IN 4361mW/4361mW") and older ones ("POM_5V_IN 2020/2020",
 * "GR3D_FREQ 0%@114", cores that are off). Lines without "CPU [" are passed over. Errors
 * name the line: a clock that goes back, more rails or cores than possible; a file with no line of
 * tegrastats. */
SPA_API spa_status spa_tegrastats_read(spa_tegrastats *log, const char *path, spa_error *err);
SPA_API spa_status spa_tegrastats_parse(spa_tegrastats *log, const char *path_for_messages,
                                        const char *text, size_t size, spa_error *err);
SPA_API void spa_tegrastats_fini(spa_tegrastats *log);

/* The rail that is the whole board's input, -1 = none of these is (AGX Orin has none). */
SPA_API int spa_tegrastats_board_rail(const spa_tegrastats *log);

/* Of one rail between two times (s since the first line; inclusive). */
typedef struct spa_rail_summary {
    size_t n;
    double mean_w, sd_w, min_w, max_w;
    double energy_j; /* trapezoids between the lines; NaN without times */
} spa_rail_summary;
/* SPA_E_RANGE: no line in the window. Lines without times are all in every window. */
SPA_API spa_status spa_tegrastats_summary(const spa_tegrastats *log, size_t rail, double from_s,
                                          double to_s, spa_rail_summary *out, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
