/* Feeds files, or all files of folders, to a fuzz target: the plain driver where there is no
 * libFuzzer. Built with one fuzz_<parser>.c:
 *     replay_<parser> tests/fuzz/seeds/<parser> crash-1234 ... */
#include <dirent.h>
#include "tests/fuzz/fuzz.h"

static int replay_file(const char *path)
{
    spa_error err;
    char *text;
    size_t size;
    if (spa_read_file(path, (size_t)64 << 20, true, &text, &size, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    fprintf(stderr, "%s (%zu bytes)\n", path, size);
    LLVMFuzzerTestOneInput((const uint8_t *)text, size);
    free(text);
    return 0;
}

static int replay(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int failed = 0;
    if (!folder) return replay_file(path);
    while ((entry = readdir(folder))) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        failed |= replay(name);
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    if (failed) fprintf(stderr, "usage: %s FILE-OR-FOLDER...\n", argv[0]);
    for (int i = 1; i < argc; i++) failed |= replay(argv[i]);
    return failed;
}
