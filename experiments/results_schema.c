/* results.db: its tables (docs/formats.md, "results.db"). */
#include "experiments/results_db.h"

/* Experiment files. */
#define EXPERIMENT_TABLES                                                                          \
    "CREATE TABLE experiment_status(\n"                                                            \
    "  experiment_id INTEGER PRIMARY KEY REFERENCES experiment(id) ON DELETE CASCADE,\n"           \
    "  kind TEXT NOT NULL, title TEXT NOT NULL, file TEXT NOT NULL, file_hash TEXT NOT NULL,\n"    \
    "  reference TEXT,\n" /* policy; NULL = none */                                                \
    "  half_width REAL NOT NULL, min_reps INTEGER NOT NULL, max_reps INTEGER NOT NULL,\n"          \
    "  seed INTEGER NOT NULL, budget INTEGER NOT NULL, steps INTEGER NOT NULL,\n"                  \
    "  quick INTEGER NOT NULL CHECK(quick IN (0, 1)),\n"                                           \
    "  expected INTEGER NOT NULL, done INTEGER NOT NULL,\n" /* rows */                             \
    "  finished INTEGER NOT NULL CHECK(finished IN (0, 1))\n"                                      \
    ") STRICT;\n"                                                                                  \
    "CREATE TABLE experiment_row(\n"                                                               \
    "  experiment_id INTEGER NOT NULL REFERENCES experiment(id) ON DELETE CASCADE,\n"              \
    "  row INTEGER NOT NULL,\n"                                                                    \
    "  run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"                            \
    "  PRIMARY KEY(experiment_id, row)\n"                                                          \
    ") STRICT, WITHOUT ROWID;\n"                                                                   \
    "CREATE TABLE replication(\n"                                                                  \
    "  run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"                            \
    "  replication INTEGER NOT NULL,\n"                                                            \
    "  latency_ms REAL NOT NULL, energy_mj REAL, throughput_ips REAL,\n"                           \
    "  PRIMARY KEY(run_id, replication)\n"                                                         \
    ") STRICT, WITHOUT ROWID;\n"                                                                   \
    "CREATE TABLE host_value(\n"                                                                   \
    "  run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"                            \
    "  name TEXT NOT NULL, value REAL NOT NULL,\n"                                                 \
    "  PRIMARY KEY(run_id, name, value)\n"                                                         \
    ") STRICT, WITHOUT ROWID;\n"                                                                   \
    "CREATE TABLE comparison(\n"                                                                   \
    "  run_id INTEGER PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE,\n"                         \
    "  reference_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"                      \
    "  n INTEGER NOT NULL,\n"                                                                      \
    "  mean REAL NOT NULL, reference_mean REAL NOT NULL,\n" /* of the n replications */            \
    "  difference REAL NOT NULL, ci95 REAL,\n"                                                     \
    "  p_t REAL, p_wilcoxon REAL, p_t_holm REAL, p_wilcoxon_holm REAL\n"                           \
    ") STRICT;\n"                                                                                  \
    "CREATE TABLE operator(\n"                                                                     \
    "  run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"                            \
    "  op INTEGER NOT NULL,\n"                                                                     \
    "  name TEXT NOT NULL, kind TEXT NOT NULL, macs INTEGER NOT NULL,\n"                           \
    "  sparsity REAL, rho_origin TEXT NOT NULL, quadrant TEXT NOT NULL,\n"                         \
    "  processor TEXT NOT NULL,\n"                                                                 \
    "  second TEXT, share INTEGER NOT NULL,\n" /* tenths computed by `second` */                   \
    "  accelerated REAL NOT NULL,\n"           /* 0 to 1, of its output */                         \
    "  host_us REAL, accelerator_us REAL,\n"   /* alone, launch included; NULL = cannot run */     \
    "  PRIMARY KEY(run_id, op)\n"                                                                  \
    ") STRICT, WITHOUT ROWID;\n"

const char results_schema[] =
    "CREATE TABLE experiment(\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  name TEXT NOT NULL UNIQUE\n"
    ") STRICT;\n"
    "CREATE TABLE run(\n"
    "  id INTEGER PRIMARY KEY,\n"
    "  experiment_id INTEGER NOT NULL REFERENCES experiment(id),\n"
    "  hash TEXT NOT NULL UNIQUE,\n" /* of configuration and inputs, 16 hex digits */
    "  program_version TEXT NOT NULL,\n"
    "  model TEXT NOT NULL, graph_hash TEXT NOT NULL,\n"
    "  device TEXT NOT NULL, mode TEXT NOT NULL, stack TEXT NOT NULL, lanes TEXT NOT NULL,\n"
    "  costs_hash TEXT NOT NULL, origin TEXT NOT NULL,\n"
    "  policy TEXT NOT NULL, objective TEXT NOT NULL,\n"
    "  scenario TEXT NOT NULL, concurrency INTEGER NOT NULL, requests INTEGER NOT NULL,\n"
    "  batch INTEGER NOT NULL, dtype TEXT NOT NULL,\n"
    "  noise INTEGER NOT NULL, policy_cost INTEGER NOT NULL,\n"
    "  seed INTEGER NOT NULL, reps INTEGER NOT NULL, budget INTEGER NOT NULL,\n"
    "  digest TEXT,\n"  /* NULL when skipped */
    "  skipped TEXT,\n" /* the reason, or NULL */
    "  batcher TEXT NOT NULL DEFAULT 'none',\n"
    "  baseline TEXT NOT NULL DEFAULT 'none',\n"
    "  baseline_range TEXT NOT NULL DEFAULT '',\n" /* low, mid, high; '' = it has none */
    "  ablate TEXT NOT NULL DEFAULT 'none',\n"     /* components switched off, joined by '+' */
    "  scale_contention REAL NOT NULL DEFAULT 1, scale_launch REAL NOT NULL DEFAULT 1,\n"
    "  scale_transfer REAL NOT NULL DEFAULT 1, scale_rho REAL NOT NULL DEFAULT 1,\n"
    "  scale_noise REAL NOT NULL DEFAULT 1\n"
    ") STRICT;\n"
    "CREATE INDEX run_model ON run(model, device, mode, policy);\n"
    "CREATE TABLE metric(\n"
    "  run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"
    "  name TEXT NOT NULL,\n" /* with its unit: latency_mean_ms */
    "  value REAL,\n"         /* NULL = not known */
    "  repeatable INTEGER NOT NULL CHECK(repeatable IN (0, 1)),\n"
    "  PRIMARY KEY(run_id, name)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE learning_curve(\n"
    "  run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"
    "  step INTEGER NOT NULL,\n"
    "  value REAL NOT NULL,\n"
    "  PRIMARY KEY(run_id, step)\n"
    ") STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE schedule(\n"
    "  run_id INTEGER PRIMARY KEY REFERENCES run(id) ON DELETE CASCADE,\n"
    "  graph_hash TEXT NOT NULL,\n"
    "  placement TEXT NOT NULL,\n" /* JSON array: processor of each operator */
    "  lanes TEXT NOT NULL,\n"     /* JSON array: lane, -1 = any */
    "  ordering TEXT NOT NULL,\n"  /* JSON array: operators in dispatch order */
    "  shares TEXT,\n"             /* JSON array: tenths given to `seconds`; NULL = none is split */
    "  seconds TEXT\n"             /* JSON array: processor of that part */
    ") STRICT;\n" EXPERIMENT_TABLES "CREATE TABLE validation(\n"
    "  run_id INTEGER NOT NULL REFERENCES run(id) ON DELETE CASCADE,\n"
    "  schedule TEXT NOT NULL,\n"  /* which schedule, "" = all of them */
    "  component TEXT NOT NULL,\n" /* kernel, launch, transfer, ..., total */
    "  measured_ms REAL,\n"
    "  simulated_ms REAL,\n"
    "  PRIMARY KEY(run_id, schedule, component)\n"
    ") STRICT, WITHOUT ROWID;\n";

/* From the version before: one without experiment files. */
const char results_upgrade[] =
    "ALTER TABLE run ADD COLUMN batcher TEXT NOT NULL DEFAULT 'none';\n"
    "ALTER TABLE run ADD COLUMN baseline TEXT NOT NULL DEFAULT 'none';\n"
    "ALTER TABLE run ADD COLUMN baseline_range TEXT NOT NULL DEFAULT '';\n"
    "ALTER TABLE run ADD COLUMN ablate TEXT NOT NULL DEFAULT 'none';\n"
    "ALTER TABLE run ADD COLUMN scale_contention REAL NOT NULL DEFAULT 1;\n"
    "ALTER TABLE run ADD COLUMN scale_launch REAL NOT NULL DEFAULT 1;\n"
    "ALTER TABLE run ADD COLUMN scale_transfer REAL NOT NULL DEFAULT 1;\n"
    "ALTER TABLE run ADD COLUMN scale_rho REAL NOT NULL DEFAULT 1;\n"
    "ALTER TABLE run ADD COLUMN scale_noise REAL NOT NULL DEFAULT 1;\n" EXPERIMENT_TABLES;
