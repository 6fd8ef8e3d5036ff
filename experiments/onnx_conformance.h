/* The operator cases that come with ONNX, run on the kernels of this machine. */
#ifndef SPA_EXPERIMENTS_ONNX_CONFORMANCE_H
#define SPA_EXPERIMENTS_ONNX_CONFORMANCE_H

#include "kernels/backend.h"

typedef enum spa_onnx_case_result {
    SPA_CASE_PASSED,
    SPA_CASE_FAILED,     /* claimed, but refused or another answer */
    SPA_CASE_NOT_CLAIMED /* an operator without a rule */
} spa_onnx_case_result;

/* Runs one case, a folder with model.onnx and test_data_set_0/{input,output}_N.pb, on each of the
 * backends. Inputs that an operator needs as constants (weights, axes) are taken from the data.
 * Answers are compared as onnx's own runner does: |x - y| <= 1e-7 + 1e-3 |y|, NaN equal to NaN.
 * *operators: how many the model became; reason: why it is not claimed, or what failed where. */
spa_status spa_onnx_case_run(const char *folder, const spa_backend *const *backends,
                             size_t n_backends, spa_onnx_case_result *result, char reason[400],
                             spa_error *err);

#endif
