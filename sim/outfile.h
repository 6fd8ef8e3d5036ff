/* Output streams that replace their file only when they are complete.
 *
 * What is too long to hold in memory (spa_write_file) goes to a temporary file beside the target,
 * which takes the target's name in spa_outfile_commit. */
#ifndef SPA_SIM_OUTFILE_H
#define SPA_SIM_OUTFILE_H

#include <stdio.h>
#include "base/memory.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_outfile {
    FILE *stream; /* NULL = not open */
    char *path, *temporary;
} spa_outfile;

/* Zeroed on failure. SPA_E_IO names the path. */
SPA_API spa_status spa_outfile_open(spa_outfile *file, const char *path, spa_error *err);
/* Flushes, syncs and renames; on failure the target is as it was. The file is closed anyway. */
SPA_API spa_status spa_outfile_commit(spa_outfile *file, spa_error *err);
/* Closes and removes the temporary; accepts a file that is not open. */
SPA_API void spa_outfile_abort(spa_outfile *file);
/* Appends `text` as a JSON string with its quotes. */
SPA_API void spa_outfile_put_json(spa_outfile *file, const char *text);

#ifdef __cplusplus
}
#endif
#endif
