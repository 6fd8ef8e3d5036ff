#!/bin/bash
# After the array job of submit.sh: shards that failed are submitted again; when all are done, their
# databases are merged and the experiment is compared.
set -euo pipefail
sparoa=${SPAROA:-sparoa} tries=${SPAROA_TRIES:-3}
cd "${SLURM_SUBMIT_DIR:-.}"
missing=() databases=()
for ((i = 1; i <= SPAROA_SHARDS; i++)); do
    if [ -e "$SPAROA_FOLDER/shard-$i.done" ]; then
        databases+=("$SPAROA_FOLDER/shard-$i.db")
    else
        missing+=("$i")
    fi
done
if [ ${#missing[@]} -gt 0 ]; then
    list=$(IFS=,; echo "${missing[*]}")
    if [ "$SPAROA_TRY" -ge "$tries" ]; then
        echo "shards $list failed $tries times: see $SPAROA_FOLDER/logs" >&2
        exit 1
    fi
    next=$((SPAROA_TRY + 1))
    job=$(sbatch --parsable --export=ALL --job-name=sparoa-shard --array="$list" \
        --output="$SPAROA_FOLDER/logs/shard-%a.try-$next.log" "$SPAROA_HERE/shard.sh")
    SPAROA_TRY=$next sbatch --parsable --export=ALL --job-name=sparoa-merge \
        --dependency="afterany:${job%%;*}" --output="$SPAROA_FOLDER/logs/merge-$next.log" \
        "$SPAROA_HERE/merge.sh"
    exit 0
fi
"$sparoa" merge "$SPAROA_FOLDER/results.db" "${databases[@]}"
"$sparoa" run "$SPAROA_FILE" --db "$SPAROA_FOLDER/results.db" --quiet >"$SPAROA_FOLDER/table.txt"
touch "$SPAROA_FOLDER/finished"
