#!/bin/sh
# Workers of one run with GNU parallel, on this machine or over ssh: parallel.sh EXPERIMENT STORE RUN-ID
#
#   ./parallel.sh experiment.yaml s3://bucket/bench night-17
#   WORKERS=2 HOSTS=1/ann@node1,1/ann@node2 ./parallel.sh experiment.yaml s3://bucket/bench night-17
#
# HOSTS has the workers of each machine before its name, and ":" is this machine. Each machine needs the experiment in the same
# folder, uderia-bench on its path, and the credentials in its environment.
set -u
experiment=${1:?which experiment}
store=${2:?which store}
run_id=${3:?a name for the run}

# After Ctrl-C, the workers stop softly and no other one begins. 4 is the exit code of an interrupted run.
trap 'exit 4' INT TERM

# Workers share the run, so one that fails stops no other: --halt never. --termseq leaves time for a soft stop.
seq "${WORKERS:-2}" | parallel --max-args 0 --quote --jobs 100% --sshlogin "${HOSTS:-${WORKERS:-2}/:}" --workdir . \
    --halt never --termseq TERM,60000,KILL,25 --tagstring 'worker {#}' --line-buffer \
    uderia-bench run "$experiment" --output "$store" --run-id "$run_id" --join --at-once 1 >/dev/null

# One more worker asks what the others have left, and prints the report. Its exit code is that of the run.
exec uderia-bench run "$experiment" --output "$store" --run-id "$run_id" --join
