#!/bin/bash
# Runs an experiment on several nodes of a Slurm cluster. Each task of the array runs one shard of the tasks.
#
#   sbatch cluster/slurm-array.sh hypotheses checkpoints/quickstart/adapter --recipe recipes/quickstart.yaml
#
# The arguments after the script name are the command as on a single machine. When all shards are complete, merge them
# and write the report:
#
#   evaluator report reports/quickstart-*-shard-*
#
# A task that is killed, times out or is requeued resumes: `scontrol requeue JOB_TASK`, or the same sbatch command. Run
# only some shards with: sbatch --array=3 --export=ALL,SHARDS=4 cluster/slurm-array.sh ...
#
# All nodes need the same `evaluator`, recipe, Python and folder (this one, on a shared file system), and bubblewrap for
# the strongest sandbox. Fetch the model once before the job; the tasks read it from SLM_CACHE.
#
# If the model runs on a server (for example vLLM on a separate node), shards need no GPU. Add
#   --endpoint http://NODE:8000/v1
# and request only CPUs, which run the tests.

#SBATCH --job-name=evaluator
# The shards, counted from 1.
#SBATCH --array=1-4
# One test runs per core; generation on the CPU uses all cores.
#SBATCH --cpus-per-task=16
#SBATCH --mem=32G
# A GPU for each shard, if `evaluator` was built with --features cuda. Then add --device cuda to the command.
##SBATCH --gres=gpu:1
#SBATCH --time=12:00:00
# After a failure or preemption of the node, the task restarts and resumes.
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
