#!/bin/sh
# A nightly run by cron or systemd: nightly.sh EXPERIMENT [OUTPUT], in the directory of the experiment.
# The first call installs uderia-bench into .venv there. An interrupted run is resumed once. The exit code is that of the run.
#
#   0 2 * * *  cd /srv/bench && UDERIA_URL=https://uderia.example UDERIA_TOKEN=$(cat token) ./nightly.sh experiment.yaml >> nightly.log 2>&1
set -u
experiment=${1:?which experiment}
output=${2:-output}
package=${PACKAGE:-git+https://github.com/uderia-bench/uderia-bench} # or the name on your index
night=night-$(date -u +%Y%m%d-%H%M%S)

if [ ! -x .venv/bin/uderia-bench ]; then
    python3 -m venv .venv && .venv/bin/pip install --quiet "$package" || exit
fi
PATH=$PWD/.venv/bin:$PATH

code=0
uderia-bench run "$experiment" --output "$output" --run-id "$night" || code=$?
if [ "$code" -eq 4 ]; then
    code=0
    uderia-bench resume "$night" --output "$output" || code=$?
fi
if [ -f "$output/$night/report.json" ]; then
    uderia-bench report "$night" --output "$output" -o "$output/$night/junit.xml"
    uderia-bench history --output "$output"
    uderia-bench baseline list --output "$output" | grep -q '^main:' || uderia-bench baseline save main "$night" --output "$output"
fi
exit "$code"
