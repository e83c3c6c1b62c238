"""A night in Airflow: run, resume once where it was interrupted, report. For the DAGs folder of a worker that has the command.

The variables UDERIA_URL and UDERIA_TOKEN come from the worker's environment. The DAG's folder holds the experiment and
keeps ``output``.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

FOLDER = os.environ.get("UDERIA_BENCH_HOME", "/srv/bench")
RUN = """
code=0
uderia-bench run experiment.yaml --run-id "night-{{ ts_nodash }}" || code=$?
if [ "$code" -eq 4 ]; then code=0; uderia-bench resume "night-{{ ts_nodash }}" || code=$?; fi
exit "$code"
"""
REPORT = """
uderia-bench report "night-{{ ts_nodash }}" --format junit -o "output/night-{{ ts_nodash }}/junit.xml"
uderia-bench history
"""

with DAG(
    "uderia_bench_night",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"cwd": FOLDER, "append_env": True, "execution_timeout": timedelta(hours=6)},
) as dag:
    run = BashOperator(task_id="run", bash_command=RUN)
    report = BashOperator(task_id="report", bash_command=REPORT, trigger_rule="all_done")
    run >> report
