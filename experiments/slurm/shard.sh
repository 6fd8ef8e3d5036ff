#!/bin/bash
# One shard: a task of the array job of submit.sh. What was done before stays: the database resumes.
set -euo pipefail
i=$SLURM_ARRAY_TASK_ID
rm -f "$SPAROA_FOLDER/shard-$i.done"
cd "${SLURM_SUBMIT_DIR:-.}"
"${SPAROA:-sparoa}" run "$SPAROA_FILE" --shard "$i/$SPAROA_SHARDS" --db "$SPAROA_FOLDER/shard-$i.db" \
    --jobs "${SLURM_CPUS_PER_TASK:-1}" --quiet >/dev/null
touch "$SPAROA_FOLDER/shard-$i.done"
