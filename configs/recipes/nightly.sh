#!/bin/sh
# A night by cron or systemd: nightly.sh EXPERIMENT [OUTPUT]. A run that was interrupted goes on once; the exit code is the run's.
#
#   0 2 * * *  cd /srv/bench && UDERIA_URL=https://uderia.example UDERIA_TOKEN=$(cat token) ./nightly.sh experiment.yaml >> nightly.log 2>&1
set -u
experiment=${1:?which experiment}
output=${2:-output}
night=night-$(date -u +%Y%m%d-%H%M%S)

code=0
uderia-bench run "$experiment" --output "$output" --run-id "$night" || code=$?
if [ "$code" -eq 4 ]; then
    code=0
    uderia-bench resume "$night" --output "$output" || code=$?
fi
if [ -f "$output/$night/manifest.json" ]; then
    uderia-bench report "$night" --output "$output" --format junit -o "$output/$night/junit.xml"
    uderia-bench history --output "$output"
fi
exit "$code"
