/* sparoa import: measured data from other programs. */
#include <string.h>

#include "experiments/import.h"

static const spa_import_format formats[] = {
    {"trtexec", "trtexec --exportProfile (with --layers: --exportLayerInfo)", spa_import_trtexec},
    {"ort", "ONNX Runtime's profile (SessionOptions.enable_profiling)", spa_import_onnxruntime},
    {"torch", "PyTorch's profiler (export_chrome_trace)", spa_import_pytorch},
    {"tegrastats", "a log of tegrastats: power per rail", spa_import_tegrastats},
    {"nsys", "nsys stats --format csv: kernels or API calls", spa_import_nsys},
    {"onnx", "a model as a graph", spa_import_onnx},
};
enum { N_FORMATS = sizeof formats / sizeof *formats };

static spa_status find(const char *name, const spa_import_format **format, spa_error *err)
{
    const char *names[N_FORMATS];
    for (size_t i = 0; i < N_FORMATS; i++) {
        names[i] = formats[i].name;
        if (strcmp(name, names[i]) != 0) continue;
        if (!formats[i].run)
            return spa_fail(err, SPA_E_USAGE, "'import %s' is not built in this version", name);
        *format = &formats[i];
        return SPA_OK;
    }
    return spa_cli_name_status(spa_fail_unknown(err, "format", name, names, N_FORMATS), name, err);
}

spa_status spa_cmd_import(spa_cli *cli, spa_options *options, spa_error *err)
{
    const spa_import_format *format = NULL;
    SPA_TRY(spa_cli_operands(options, 2, 2, "a format and a file: trtexec PROFILE.json", err));
    SPA_TRY(find(options->operands.items[0], &format, err));
    options->import_format = format->name;
    options->operands.items++;
    options->operands.count--;
    return format->run(cli, options, err);
}
