/* A toy device and a tiny graph, with numbers that can be worked out by hand. */
#ifndef SPA_TESTS_DEVICES_SCENE_H
#define SPA_TESTS_DEVICES_SCENE_H

#include "devices/device.h"
#include "tests/base/check.h"

/* The call (which uses `err`) fails with this status and a message that has this part. */
#define expect_error_with(call, wanted, part)                                                      \
    do {                                                                                           \
        spa_error err_ = {0};                                                                      \
        spa_error *err = &err_;                                                                    \
        cr_assert_eq((call), (wanted), "status %d, message: %s", (int)err_.status, err_.message);  \
        cr_assert_not_null(strstr(err_.message, (part)), "message: %s", err_.message);             \
    } while (0)

/* The text of toy.device. 1000 MHz, 4 cores, 500 MHz, 4 units: see scene.c. */
extern const char devices_toy[];

/* Writes toy.device into a folder of its own, every `from` replaced by `to` (NULL = as it is; a
 * `from` that is not there is a failed test), and loads it; a second file `extra_name` with
 * `extra_text` may stand beside it. The folder is removed afterwards. */
spa_status devices_load(spa_device **device, const char *from, const char *to, spa_error *err);
spa_status devices_load_with(spa_device **device, const char *from, const char *to,
                             const char *extra_name, const char *extra_text, spa_error *err);
/* The same of any text, as NAME.device, with "@mode" or "" behind the name. */
spa_status devices_load_text(spa_device **device, const char *text, const char *extra_name,
                             const char *extra_text, const char *mode, spa_error *err);
spa_device *devices_load_toy(void);

/* conv (3x3, 8 -> 16 channels, 16x16), relu, reshape to [1, 4096], linear to 10. */
enum { TINY_CONV, TINY_RELU, TINY_RESHAPE, TINY_LINEAR, TINY_OPS };
void devices_tiny(spa_graph *graph, int32_t batch, spa_dtype dtype);

#endif
