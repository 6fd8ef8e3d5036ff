/* Device files. */
#include "devices/device.h"
#include "tests/fuzz/fuzz.h"

FUZZ_TARGET(fuzz_device)
{
    const char *const search[] = {fuzz_folder(), NULL}, *const names[] = {"fuzz.device"};
    char path[128];
    spa_device *device;
    spa_error err = {0};
    fuzz_path(path, names[0]);
    fuzz_put(path, data, size);
    spa_status status = spa_device_load(&device, path, search, &err);
    if (status) {
        fuzz_error(status, &err);
        FUZZ_CHECK(!device, "a device beside an error");
    } else {
        const spa_device_info *info = spa_device_info_of(device);
        FUZZ_CHECK(info->name && info->n_processors >= 1 && info->n_stacks >= 1, "an empty device");
        spa_device_free(device);
    }
    fuzz_clean(names, 1);
    return 0;
}
