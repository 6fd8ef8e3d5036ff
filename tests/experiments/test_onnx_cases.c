/* ONNX's own operator cases and models of others, where they are. */
#define _XOPEN_SOURCE 700
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "experiments/onnx_conformance.h"
#include "tests/base/check.h"
#include "tests/kernels/agree.h"
#include "traces/onnx.h"

#define CASES "/usr/share/libonnx-testdata/data/node"

Test(onnx_cases, every_claimed_case_passes_on_every_backend)
{
    const spa_backend *backends[SPA_MODEL_BACKENDS];
    struct dirent **names;
    size_t passed = 0, failed = 0;
    int n = scandir(CASES, &names, NULL, alphasort);
    if (n < 0) cr_skip_test("%s is not here: install libonnx-testdata", CASES);
    size_t n_backends = runnable_backends(backends);
    for (int i = 0; i < n; i++) {
        char folder[400];
        spa_onnx_case_report r;
        snprintf(folder, sizeof folder, "%s/%s", CASES, names[i]->d_name);
        if (strncmp(names[i]->d_name, "test_", 5) == 0) {
            expect_ok(spa_onnx_case_run(folder, backends, n_backends, 0, &r, err));
            passed += r.result == SPA_ONNX_CASE_PASSED;
            failed += r.result == SPA_ONNX_CASE_FAILED;
            cr_expect(r.result != SPA_ONNX_CASE_FAILED, "%s: %s", names[i]->d_name, r.reason);
        }
        free(names[i]);
    }
    free(names);
    cr_assert_eq(failed, 0);
    cr_assert_geq(passed, 500, "%zu claimed", passed); /* what is claimed does not shrink unseen */
}

/* Parameters as torchvision has them; MACs of ResNet-50 are published as 4.09 G. */
Test(onnx_cases, models_of_others_have_their_published_sizes)
{
    static const struct {
        const char *name;
        int64_t parameters, mmacs;
    } models[] = {{"light_resnet50", 25557032, 4089}, {"light_squeezenet", 1235496, 349}};
    const char *data = getenv("DATA");
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char path[500];
        spa_graph g;
        snprintf(path, sizeof path, "%s/onnx-light/%s.onnx",
                 data != NULL && *data ? data : "../shared/data", models[i].name);
        if (access(path, R_OK) != 0) cr_skip_test("%s is not here (set DATA=FOLDER)", path);
        expect_ok(spa_onnx_read(&g, path, NULL, NULL, err));
        cr_assert_eq(g.total_params, models[i].parameters, "%lld", (long long)g.total_params);
        cr_assert_eq(g.total_macs / 1000000, models[i].mmacs, "%lld", (long long)g.total_macs);
        spa_graph_fini(&g);
    }
}
