"""``import uderia_bench as ub``, as a notebook uses it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from frames import BASELINE, CANDIDATE, grid, noisy

import uderia_bench as ub
from uderia_bench.errors import StoreError, UsageError

HERE = Path(__file__).parent
# what importing us, or asking for help, may cost: polars alone costs 0.18, scipy 0.74
# (docs/explanation/architecture.md, "What costs time")
QUICK_S = 0.1


def a_run(output, run_id, *, started="2026-11-24T10:00:00+00:00", **columns):
    """Make a derived run of 12 queries, one warm-up each; the candidate takes half again as long with as many tokens."""
    frame = grid(
        queries=12,
        repeats=3,
        value=noisy(ratio=1.5, noise=0.05, interaction=0.05),
        total_tokens=lambda q, *_: 1000 + q,
        run_id=run_id,
        stage=lambda _, __, repeat: "warmup" if repeat == 3 else "measured",
        **columns,
    )
    path = output / run_id
    (path / "trials").mkdir(parents=True)
    frame.write_parquet(path / "trials" / "part-0.parquet")
    (path / "manifest.json").write_text(json.dumps({"run_id": run_id, "started_at": started}))
    return frame


@pytest.fixture
def output(tmp_path):
    """Return an output directory with an older and a newer run, of which the newer has a column more."""
    a_run(tmp_path / "output", "older", started="2026-11-23T10:00:00+00:00")
    a_run(tmp_path / "output", "newer", answer_chars=7)
    return tmp_path / "output"


def test_a_run_is_loaded_by_whatever_names_it(output, monkeypatch):
    """A run id, latest, a directory, a glob of ids or of directories, a list: the same frames, eagerly."""
    newer = ub.load("newer", output=output)
    assert isinstance(newer, pl.DataFrame)
    assert newer.height == 12 * 2 * 3
    for way in ("latest", output / "newer", str(output / "newer"), ["newer"]):
        assert ub.load(way, output=output).equals(newer)
    assert ub.load(output=output).equals(newer)
    both = ub.load(["older", "newer"], output=output)
    assert both["run_id"].unique().sort().to_list() == ["newer", "older"]
    assert both["answer_chars"].null_count() == newer.height
    for way in (str(output / "*"), "*er"):
        assert (
            ub.load(way, output=output).sort(pl.all()).equals(both.select(ub.load(way, output=output).columns).sort(pl.all()))
        )
    monkeypatch.chdir(output.parent)
    assert ub.load("latest").equals(newer)


def test_a_run_that_is_not_there_is_named(output):
    """No run, no such run and nothing under a glob are one line each."""
    with pytest.raises(StoreError, match=r"no run 'newest'.*there are newer, older"):
        ub.load("newest", output=output)
    with pytest.raises(StoreError, match="no tables of"):
        ub.load("x*", output=output)
    with pytest.raises(StoreError, match="no run in"):
        ub.load("latest", output=output / "newer")


def test_a_notebook_runs(output):
    """The notebook beside this file runs from top to bottom in a separate process and shows the expected output."""
    (output.parent / "corpus.yaml").write_text(
        "version: 1\nname: c\nqueries:\n  - {id: t, prompt: 'count {db}', matrix: {db: [a, b]}}\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", HERE / "headless.py", HERE / "compare_two_arms.ipynb"],
        cwd=output.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted, compared, ordered, by_hand, queries = json.loads(done.stdout)
    assert counted.count("measured") == counted.count("warmup") == 2
    (time, ratio, verdict), tokens = ast.literal_eval(compared)
    assert (time, verdict) == ("latency_s", "worse")
    assert 1.4 < ratio < 1.6
    assert tokens == ("total_tokens", 1.0, "equivalent")
    assert ast.literal_eval(ordered) == (True, True)
    assert ast.literal_eval(by_hand) == (2.0, "worse")
    assert ast.literal_eval(queries) == ["t[db=a]", "t[db=b]"]


def test_warm_ups_are_loaded_and_not_compared(output):
    """The frame has warm-ups, and a comparison uses 12 queries with 2 repeats."""
    (found,) = ub.compare(ub.load("latest", output=output), baseline=BASELINE, candidate=CANDIDATE, metrics=["latency_s"])
    assert (found.n_queries, found.n_pairs) == (12, 24)


def test_what_is_meant_is_taken(output):
    """One name for a list of one, a margin as experiments write it, a lazy frame: the same values as spelt out."""
    trials = ub.load("latest", output=output)
    arms = {"baseline": BASELINE, "candidate": CANDIDATE}
    spelt_out = ub.compare(trials, **arms, metrics=["latency_s"], margins={"latency_s": 0.1})
    assert ub.compare(trials.lazy(), **arms, metrics="latency_s", margins={"latency_s": "10%"}) == spelt_out
    assert spelt_out[0].margin == 0.1
    assert ub.percentiles(trials.lazy(), "latency_s").equals(ub.percentiles(trials, ["latency_s"]))


def test_what_cannot_be_meant_is_said(output):
    """A list of dicts, a margin that is no share: one line of ours that says what is wanted."""
    trials = ub.load("latest", output=output)
    rows = trials.to_dicts()
    arms = {"baseline": BASELINE, "candidate": CANDIDATE, "metrics": "latency_s"}
    for asked in (lambda: ub.compare(rows, **arms), lambda: ub.percentiles(rows, "latency_s")):
        with pytest.raises(UsageError, match=r"should be a polars frame .* not list; polars.DataFrame\(rows\) makes one"):
            asked()
    for wrong in ("ten", "150%", None, [0.1], True):
        with pytest.raises(UsageError, match=r"margin .* of 'latency_s' should be a share such as '10%' or 0.10"):
            ub.compare(trials, **arms, margins={"latency_s": wrong})


def test_importing_is_quick_and_names_are_found():
    """Neither polars nor scipy nor a YAML reader is loaded before it is needed; dir lists what there is."""
    code = (
        "import sys, time; start = time.process_time(); import uderia_bench as ub; spent = time.process_time() - start;"
        "heavy = {'polars', 'scipy', 'numpy', 'ruamel', 'pydantic'} & set(sys.modules);"
        "print(spent, sorted(heavy), set(dir(ub)) >= {'load', 'compare', 'corpus', '__version__'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    spent, rest = done.stdout.split(maxsplit=1)
    assert float(spent) < QUICK_S
    assert rest.strip() == "[] True"
    with pytest.raises(AttributeError, match="has no attribute 'laod'"):
        _ = ub.laod
