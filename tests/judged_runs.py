"""Runs with a pairwise judge: every arm has answered every query."""

from __future__ import annotations

from datetime import UTC, datetime

import experiments
import traces
from ledgers import settle

from uderia_bench import plugins
from uderia_bench.commands import conclude
from uderia_bench.documents.expectation import Expectation
from uderia_bench.reading import derive
from uderia_bench.reading import expected as expectations
from uderia_bench.reading.judge import scores
from uderia_bench.runs import directory, manifest
from uderia_bench.runs.ledger import Ledger
from uderia_bench.runs.run import Run

PRICE = {"input_cost_per_million": 1.0, "output_cost_per_million": 10.0}
JUDGE = {"mode": "pairwise", "url": "http://judge.test/v1", "model": "grader", "price": PRICE, "probes": 0}
QUERIES = 8


def text(arm, query):
    """Return an answer by which the scripted judge knows its arm."""
    return {"A": f"plain answer {query}", "B": f"good answer {query}", "C": f"better answer {query}"}[arm]


def made(tmp_path, *, run_id="r", arms=("A", "B"), answer=text, queries=QUERIES, repeats=1, more=None, **said):
    """Return a run in which every arm has answered every query; ``said`` changes the judge."""
    rubric = Expectation.model_validate({"llm_judge": "is kind"}, strict=False)
    asked = (
        queries
        if isinstance(queries, tuple)
        else tuple(experiments.query(f"q{n}", expect=(rubric,) if n == 0 else ()) for n in range(queries))
    )
    experiment = experiments.built(asked, arms=arms, repeats=repeats, warmup=0, judge={**JUDGE, **said}, **(more or {}))
    places = [(query, repeat, arm) for query in asked for repeat in range(1, repeats + 1) for arm in arms]
    trials = [
        traces.trial(trial_id=f"t{n}", seq=n, block=n, repeat=repeat, query_id=query.id, prompt=query.prompt, arm=arm)
        for n, (query, repeat, arm) in enumerate(places)
    ]
    serving = {arm: traces.expected(server="sim", profile_tag=f"TAG-{arm}", models=(f"OpenAI/gpt-{arm}9",)) for arm in arms}
    files = directory.create(tmp_path, run_id)
    begun = manifest.begun(experiment, trials, run_id=run_id, arms=serving, servers={}, started_at=datetime.now(UTC))
    run = Run(directory=files, manifest=begun).written(begun).noted(state="complete")
    with Ledger.create(files.ledger, trials, serving) as ledger:
        for trial in trials:
            said_text = answer(trial.arm, trial.query_id)
            body = {"task_id": "t", "status": "complete", "events": [], "result": {"final_answer_text": said_text}}
            settle(ledger, traces.record(body, trial=trial, expected=serving[trial.arm]))
    return run


def report(run):
    """Derive the run and compare its arms; return its report."""
    loaded = plugins.load()
    expected = expectations.of(run.manifest, loaded.expectations, scores.read(run.path))
    derive.run(run.directory, derive.Reading(metrics=loaded.metrics, types=loaded.profile_types, expected=expected))
    return conclude.report_on(run, loaded)


def prefers(*words):
    """Return a judge's choice of the answer with the first of these words, else a tie."""

    def choose(first, second):
        ranks = [next((n for n, word in enumerate(words) if word in shown), len(words)) for shown in (first, second)]
        return "tie" if ranks[0] == ranks[1] else 1 if ranks[0] < ranks[1] else 2

    return choose
