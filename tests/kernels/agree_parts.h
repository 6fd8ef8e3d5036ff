/* Comparing an operator in parts with the whole one. */
#ifndef SPA_TESTS_KERNELS_AGREE_PARTS_H
#define SPA_TESTS_KERNELS_AGREE_PARTS_H

#include "kernels/model.h"

/* args: what `backend` has just run whole. Runs it in 2, 3, uneven and partly empty parts, each
 * into an output of NaN; asserts that each part writes its piece and nothing else, that together
 * they write every element once, and that they agree with args->output (elementwise kinds bit by
 * bit, others to a relative L2 of 1e-6). False: the operator cannot be cut, and says so. */
bool expect_parts_agree(const spa_model *model, const spa_kernel_args *args,
                        const spa_backend *backend);

#endif
