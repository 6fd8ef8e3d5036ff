/* ONNX files on the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/experiments/cli.h"

Test(cli_onnx, an_exported_model_reads_back_with_its_hash_and_runs_like_a_zoo_model)
{
    char path[300], csv[300];
    snprintf(path, sizeof path, "%s/r.onnx", cli_folder());
    snprintf(csv, sizeof csv, "%s/r.graph.csv", cli_folder());
    json_t *out = cli_json("export onnx mobilenet_v3_small -o %s --json", path);
    json_t *in = cli_json("import onnx %s -o %s --json", path, csv);
    cr_assert_str_eq(json_string_value(json_object_get(in, "hash")),
                     json_string_value(json_object_get(out, "hash")));
    cr_assert_eq(json_integer_value(json_object_get(in, "without_rule")), 0);
    cr_assert_eq(json_integer_value(json_object_get(in, "parameters")), 2542856);
    json_decref(out);
    json_decref(in);
    char digests[3][40] = {""};
    for (int i = 0; i < 3; i++) {
        const char *model = i == 0 ? "mobilenet_v3_small" : i == 1 ? path : csv;
        json_t *run =
            cli_json("compare %s --device agx-orin --policy heft --noise=off --json", model);
        json_t *result = json_array_get(
            json_object_get(json_array_get(json_object_get(run, "runs"), 0), "results"), 0);
        snprintf(digests[i], sizeof digests[i], "%s",
                 json_string_value(json_object_get(result, "digest")));
        json_decref(run);
    }
    cr_assert_str_eq(digests[0], digests[1]);
    cr_assert_str_eq(digests[0], digests[2]);
}

Test(cli_onnx, wrong_uses_say_what_to_do)
{
    char path[300];
    snprintf(path, sizeof path, "%s/bad.onnx", cli_folder());
    cli_write(path, "no model", 8);
    cli_expect_failure(1, "is it a whole ONNX file?", "inspect %s", path);
    cli_expect_failure(1, "cannot be opened", "inspect nowhere.onnx");
    cli_expect_failure(2, "needs -o OUT.graph.csv", "import onnx %s", path);
    cli_expect_failure(2, "needs -o FILE.onnx", "export onnx resnet18");
    cli_expect_failure(2, "did you mean 'onnx'?", "export onn resnet18 -o x");
    cli_expect_failure(2, "did you mean 'resnet18'?", "export onnx resnet81 -o x.onnx");
}
