/* sparoa import: what each format becomes. */
#ifndef SPA_EXPERIMENTS_IMPORT_H
#define SPA_EXPERIMENTS_IMPORT_H

#include "experiments/cli.h"

/* One format of `sparoa import FORMAT FILE`. */
typedef struct spa_import_format {
    const char *name, *summary;
    /* `options->operands` holds the file alone. */
    spa_status (*run)(spa_cli *cli, spa_options *options, spa_error *err); /* NULL = not built */
} spa_import_format;

/* A model, as a graph. */
spa_status spa_import_onnx(spa_cli *cli, spa_options *options, spa_error *err);
/* Profiles of layers, as rows of a trace (origin imported). */
spa_status spa_import_trtexec(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_import_onnxruntime(spa_cli *cli, spa_options *options, spa_error *err);
spa_status spa_import_pytorch(spa_cli *cli, spa_options *options, spa_error *err);
/* Power per rail over time, and its means in a window. */
spa_status spa_import_tegrastats(spa_cli *cli, spa_options *options, spa_error *err);
/* Kernels by what they compute, or calls of the CUDA API. */
spa_status spa_import_nsys(spa_cli *cli, spa_options *options, spa_error *err);

#endif
