/* What the tests of base/ share. */
#ifndef SPA_TESTS_BASE_CHECK_H
#define SPA_TESTS_BASE_CHECK_H

#include <criterion/criterion.h>
#include <string.h>
#include "base/status.h"

#define expect_ok(call)                                                                            \
    do {                                                                                           \
        spa_error err_ = {0};                                                                      \
        spa_error *err = &err_;                                                                    \
        cr_assert_eq((call), SPA_OK, "%s", err_.message);                                          \
    } while (0)

/* The call (which uses `err`) fails with this status and exactly this message. */
#define expect_error(call, wanted, text)                                                           \
    do {                                                                                           \
        spa_error err_ = {0};                                                                      \
        spa_error *err = &err_;                                                                    \
        cr_assert_eq((call), (wanted), "status %d, message: %s", (int)err_.status, err_.message);  \
        cr_assert_eq(err_.status, (wanted));                                                       \
        cr_assert_str_eq(err_.message, (text));                                                    \
    } while (0)

#endif
