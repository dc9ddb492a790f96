#!/bin/bash
# An experiment on several nodes of a Slurm cluster: every task of the array answers one shard of the tasks.
#
#   sbatch cluster/slurm-array.sh hypotheses checkpoints/quickstart/adapter --recipe recipes/quickstart.yaml
#
# What follows the script's name is the command as it would be given on one machine. When all shards are done, one
# command makes the run and its report of them:
#
#   evaluator report reports/quickstart-*-shard-*
#
# A task that is killed, times out or is requeued goes on where it stopped: `scontrol requeue JOB_TASK`, or the same
# sbatch again; for some shards alone: sbatch --array=3 --export=ALL,SHARDS=4 cluster/slurm-array.sh ... All nodes need the same `evaluator`, recipe, Python and folder (this one, on a shared file system), and
# bubblewrap for the strongest sandbox. Fetch the model once before: the tasks take it from SLM_CACHE.
#
# Where the model runs behind a server (vLLM on a node of its own, say), shards need no GPU: add
#   --endpoint http://NODE:8000/v1
# and ask for processors alone, which run the tests.

#SBATCH --job-name=evaluator
# As many shards as you like; counted from 1.
#SBATCH --array=1-4
# Tests run one a core, and so does generation on the CPU.
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
# A GPU for each shard, if `evaluator` was built with --features cuda; then add --device cuda to the command.
##SBATCH --gres=gpu:1
#SBATCH --time=12:00:00
# After a node's failure or preemption the task starts again, and goes on.
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%A-%a.log

set -euo pipefail

if [ "$#" -eq 0 ]; then
  echo "usage: sbatch $0 COMMAND [ARGUMENT...], such as: hypotheses checkpoints/quickstart/adapter" >&2
  exit 2
fi

shard=${SLURM_ARRAY_TASK_ID:?start this with sbatch}
exec evaluator "$@" --shard "$shard/${SHARDS:-$SLURM_ARRAY_TASK_COUNT}"
