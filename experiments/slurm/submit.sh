#!/bin/bash
# Runs an experiment file on a Slurm cluster: an array job with a shard per task, tasks that failed
# submitted again, and a dependent job that merges the databases and compares.
#
#     experiments/slurm/submit.sh FILE.exp SHARDS FOLDER [SBATCH OPTIONS...]
#
# FOLDER is on a file system that all nodes see. It gets shard-1.db ... shard-N.db, logs, and in the
# end results.db. Prints the number of the last job. A shard that is done already is not run again.
#   SPAROA=PATH       the program (default: sparoa on the PATH)
#   SPAROA_TRIES=N    how often a shard is tried (default 3)
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
file=$(realpath "$1") shards=$2 folder=$(realpath -m "$3")
shift 3
case $shards in ''|*[!0-9]*|0) echo "submit.sh: '$shards' is no number of shards" >&2; exit 2;; esac
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder/logs"
common=(--parsable --export=ALL "$@")
job=$(SPAROA_FILE=$file SPAROA_SHARDS=$shards SPAROA_FOLDER=$folder sbatch "${common[@]}" \
    --job-name=sparoa-shard --array="1-$shards" --output="$folder/logs/shard-%a.log" \
    "$here/shard.sh")
SPAROA_FILE=$file SPAROA_SHARDS=$shards SPAROA_FOLDER=$folder SPAROA_TRY=1 SPAROA_HERE=$here \
    sbatch "${common[@]}" --job-name=sparoa-merge --dependency="afterany:${job%%;*}" \
    --output="$folder/logs/merge-1.log" "$here/merge.sh"
