/* What the kinds of meters share: bounded reading of sysfs, and how they report what they found. */
#ifndef SPA_KERNELS_METER_PROBE_H
#define SPA_KERNELS_METER_PROBE_H

#include "kernels/meter.h"

/* Adds the rails of one kind to the set. Not finding any is SPA_OK; what is there but cannot be
 * read goes to the set's notes. Errors: memory, a full set. */
spa_status spa_meter_rapl_probe(spa_meter_set *set, const spa_meter_config *config, spa_error *err);
spa_status spa_meter_nvml_probe(spa_meter_set *set, const spa_meter_config *config, spa_error *err);
spa_status spa_meter_ina3221_probe(spa_meter_set *set, const spa_meter_config *config,
                                   spa_error *err);

/* Adds a sentence to the notes ("; " between them), as far as there is room. */
void spa_meter_note(spa_meter_set *set, const char *fmt, ...) SPA_PRINTF(2, 3);
/* The same, and there is no total: a rail that belongs into it is missing. */
void spa_meter_note_missing(spa_meter_set *set, const char *fmt, ...) SPA_PRINTF(2, 3);

/* ---- sysfs: untrusted text ------------------------------------------------------------------ */
#define SPA_SYSFS_PATH 512
#define SPA_SYSFS_TEXT 128 /* attributes that are longer are refused */

/* Opens folder/name for reading; -1 and an error that names the file, with a cure when permission
 * is what is missing (SPA_E_UNSUPPORTED). SPA_E_NOT_FOUND: no such file. */
spa_status spa_sysfs_open(const char *folder, const char *name, int *fd, spa_error *err);
/* The first line of an open attribute, read anew from its start, without blanks at its end. Errors:
 * unreadable, empty, too long, bytes that are no printable ASCII. */
spa_status spa_sysfs_text(int fd, const char *folder, const char *name, char text[SPA_SYSFS_TEXT],
                          spa_error *err);
/* Digits only, at most UINT64_MAX. */
spa_status spa_sysfs_u64(int fd, const char *folder, const char *name, uint64_t *value,
                         spa_error *err);
/* A whole number within bounds. */
spa_status spa_sysfs_i64(int fd, const char *folder, const char *name, int64_t min, int64_t max,
                         int64_t *value, spa_error *err);
/* Open, read, close. */
spa_status spa_sysfs_read_text(const char *folder, const char *name, char text[SPA_SYSFS_TEXT],
                               spa_error *err);
spa_status spa_sysfs_read_u64(const char *folder, const char *name, uint64_t *value,
                              spa_error *err);
spa_status spa_sysfs_read_i64(const char *folder, const char *name, int64_t min, int64_t max,
                              int64_t *value, spa_error *err);

/* Names in a folder that begin with `prefix`, in the order of the numbers in them, at most `max`
 * (further ones are left out). A folder that is not there has none. */
#define SPA_SYSFS_NAME 64
size_t spa_sysfs_list(const char *folder, const char *prefix, char (*names)[SPA_SYSFS_NAME],
                      size_t max);

#endif
