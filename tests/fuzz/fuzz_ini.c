/* INI files. */
#include "base/ini.h"
#include "tests/fuzz/fuzz.h"

FUZZ_TARGET(fuzz_ini)
{
    spa_ini ini;
    spa_error err = {0};
    double real, list[4];
    int64_t whole;
    size_t count;
    spa_status status = spa_ini_parse(&ini, "fuzz.ini", (const char *)data, size, &err);
    if (status) {
        fuzz_error(status, &err);
        return 0;
    }
    if (ini.n_entries > 0) {
        const char *section = ini.entries[0].section, *key = ini.entries[0].key;
        FUZZ_CHECK(!section[0] || spa_ini_has_section(&ini, section), "[%s]", section);
        FUZZ_CHECK(spa_ini_find(&ini, section, key) == &ini.entries[0], "[%s] %s", section, key);
        if ((status = spa_ini_double(&ini, section, key, -1, 1, &real, &err)))
            fuzz_error(status, &err);
        if ((status = spa_ini_i64(&ini, section, key, -1, 1, &whole, &err)))
            fuzz_error(status, &err);
        if ((status = spa_ini_list(&ini, section, key, list, 4, &count, &err)))
            fuzz_error(status, &err);
    }
    status = spa_ini_check_unused(&ini, &err);
    FUZZ_CHECK(status || ini.n_entries <= 1, "%zu entries that nobody asked for", ini.n_entries);
    if (status) fuzz_error(status, &err);
    spa_ini_fini(&ini);
    return 0;
}
