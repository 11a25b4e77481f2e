#!/bin/bash
# Scores a large file in shards, as a job array of Slurm, and merges them in a job that waits for all.
#
#   pipelines/cluster/score.sh reports/runs/mine atlas.h5ad scores 16 --partition=short
#
# writes scores/scores.tsv and scores/genes.tsv.gz. What follows the number of shards goes to sbatch.
# A shard that failed is scored by `sbatch --array=3 ...`; shards that are there stay.
set -euo pipefail
if [ $# -lt 4 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 2
fi
run=$1 matrix=$2 out=$3 shards=$4
shift 4
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out/shards" "$out/logs"
array=$(sbatch --parsable --array="1-$shards" --output="$out/logs/%a.txt" "$@" \
    "$here/shard.slurm" "$run" "$matrix" "$out/shards" "$shards")
sbatch --dependency="afterok:${array%%;*}" --output="$out/logs/merge.txt" "$@" \
    "$here/merge.slurm" "$run" "$out"
