#!/bin/bash
# Workers of one run as a Slurm job array. Submit it with your credentials in the environment, in a folder that all nodes mount:
#
#   sbatch slurm.sh experiment.yaml s3://bucket/bench
#
# Each element has the same command: the first one begins the run, and the others join it. The id of the run is that of the
# array, also after a requeue. RUN_ID=ID sbatch … goes on with an earlier run.

#SBATCH --job-name=uderia-bench
#SBATCH --array=0-1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G

#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=uderia-bench-%A-%a.log

# USR1, 90 s before the time limit: grace (30 s) for trials in flight, and time to release the servers.
#SBATCH --signal=B:USR1@90

set -u
experiment=${1:?which experiment}
store=${2:?which store}
run_id=${RUN_ID:-slurm-$SLURM_ARRAY_JOB_ID}

requeue=no
uderia-bench run "$experiment" --output "$store" --run-id "$run_id" --join --at-once 1 &
worker=$!
trap 'kill -TERM "$worker"' TERM
trap 'requeue=yes; kill -TERM "$worker"' USR1
wait "$worker" && code=0 || code=$?
while kill -0 "$worker" 2>/dev/null; do # a signal ended the wait, and the worker stops softly
    wait "$worker" && code=0 || code=$?
done

# The time limit came first, and trials are left: the element goes on in a new job. Nothing answered is asked again.
if [ "$requeue" = yes ] && [ "$code" -eq 4 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" # not SLURM_JOB_ID: one element has that of the array
fi
exit "$code"
