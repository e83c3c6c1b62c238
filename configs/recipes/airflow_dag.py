"""A nightly run in Airflow: install, run, resume once after an interruption, report.

Put this file into the DAGs folder. UDERIA_BENCH_HOME is the directory of ``experiment.yaml``, which
also keeps ``.venv``, ``output`` and ``baselines.json``. UDERIA_URL and UDERIA_TOKEN come from the
worker's environment, and so may PACKAGE, which pip installs.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

FOLDER = os.environ.get("UDERIA_BENCH_HOME", "/srv/bench")
PACKAGE = os.environ.get("PACKAGE", "git+https://github.com/uderia-bench/uderia-bench")  # or the name on your index
INSTALL = """
[ -x .venv/bin/uderia-bench ] || { python3 -m venv .venv && .venv/bin/pip install --quiet "$PACKAGE"; }
"""
RUN = """
PATH="$PWD/.venv/bin:$PATH"
code=0
uderia-bench run experiment.yaml --run-id "night-{{ ts_nodash }}" || code=$?
if [ "$code" -eq 4 ]; then code=0; uderia-bench resume "night-{{ ts_nodash }}" || code=$?; fi
exit "$code"
"""
REPORT = """
PATH="$PWD/.venv/bin:$PATH"
uderia-bench report "night-{{ ts_nodash }}" -o "output/night-{{ ts_nodash }}/junit.xml"
uderia-bench history
uderia-bench baseline list | grep -q '^main:' || uderia-bench baseline save main "night-{{ ts_nodash }}"
"""

with DAG(
    "uderia_bench_night",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"cwd": FOLDER, "append_env": True, "env": {"PACKAGE": PACKAGE}, "execution_timeout": timedelta(hours=6)},
) as dag:
    install = BashOperator(task_id="install", bash_command=INSTALL)
    run = BashOperator(task_id="run", bash_command=RUN)
    report = BashOperator(task_id="report", bash_command=REPORT, trigger_rule="all_done")
    install >> run >> report
