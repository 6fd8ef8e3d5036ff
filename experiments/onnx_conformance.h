/* The operator cases that come with ONNX, run on the kernels of this machine. */
#ifndef SPA_EXPERIMENTS_ONNX_CONFORMANCE_H
#define SPA_EXPERIMENTS_ONNX_CONFORMANCE_H

#include "kernels/backend.h"

typedef enum spa_onnx_case_result {
    SPA_ONNX_CASE_PASSED,
    SPA_ONNX_CASE_FAILED,     /* claimed, but refused or another answer */
    SPA_ONNX_CASE_NOT_CLAIMED /* an operator without a rule */
} spa_onnx_case_result;

#define SPA_ONNX_CASE_BACKENDS 8

typedef struct spa_onnx_case_report {
    spa_onnx_case_result result;
    char reason[400];                  /* why it is not claimed, or what failed where */
    double l2[SPA_ONNX_CASE_BACKENDS]; /* largest relative L2 of an output; NaN = not run */
} spa_onnx_case_report;

/* Runs one case, a folder with model.onnx and test_data_set_0/{input,output}_N.pb, on each of the
 * backends (at most SPA_ONNX_CASE_BACKENDS). Inputs that an operator needs as constants (weights,
 * axes) are taken from the data. Answers are compared as onnx's own runner does, |x - y| <= 1e-7 +
 * 1e-3 |y|, NaN equal to NaN; or, where `l2` is not 0, sqrt(sum (x - y)^2 / sum y^2) <= l2. */
spa_status spa_onnx_case_run(const char *folder, const spa_backend *const *backends,
                             size_t n_backends, double l2, spa_onnx_case_report *report,
                             spa_error *err);

#endif
