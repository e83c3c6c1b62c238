"""Human labels: a blinded sample, several raters, refusals of what was not drawn, and what the labels say."""

from __future__ import annotations

import csv
import io
import json
import re

import judged_runs
import pytest
from scripted_judge import ScriptedJudge

from uderia_bench import plugins
from uderia_bench.analysis.labelled import Judgement
from uderia_bench.analysis.labelled import labelled as analyse_labels
from uderia_bench.commands import label
from uderia_bench.errors import DocumentError, StoreError, UsageError
from uderia_bench.gateway.trust import Trust
from uderia_bench.reading.labels import kept
from uderia_bench.reading.labels.kept import Label
from uderia_bench.report import labels as told
from uderia_bench.runner import judging

pytestmark = pytest.mark.anyio
QUERIES = 40


def quality(shown):
    """Return how good an answer is: the scripted truth is in its text."""
    return int(shown.rsplit(" ", 1)[1])


def answer(arm, query):
    """Return an answer whose quality depends on the arm and the query: B is better in two of three queries."""
    number = int(query.removeprefix("q"))
    return f"{query} by {'x' if arm == 'A' else 'y'} of quality {number % 3 if arm == 'B' else 0}"


def sampled(run, n=60, **chosen):
    """Draw items from a run."""
    return label.sample(run, plugins.load(), n=n, seed=chosen.get("seed"), kind=chosen.get("kind"))


def rated(items, file, choose, rater="ann"):
    """Write a JSONL file of labels; ``choose`` takes an item."""
    rows = [{"id": item.id, "label": choose(item), "rater": rater} for item in items]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def truth(item):
    """Label a pair by its quality."""
    first, second = map(quality, item.answers)
    return "tie" if first == second else "1" if first > second else "2"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a judged and derived run of 40 queries; the judge mistakes the last sixth of the queries."""
    import anyio

    made = judged_runs.made(
        tmp_path_factory.mktemp("labelled"), queries=QUERIES, answer=answer, more={"margins": {"preference": "10%"}}
    )

    def choose(first, second):
        wrong = int(first.split(" ", 1)[0].removeprefix("q")) % 6 == 5
        better = 1 if quality(first) > quality(second) else 2
        return "tie" if quality(first) == quality(second) else 3 - better if wrong else better

    anyio.run(lambda: judging.ask(made, plugins.load(), {}, Trust(), transport=ScriptedJudge(choose=choose).transport()))
    judged_runs.report(made)
    return made


@pytest.fixture
def labelled(run):
    """Return the run without labels of other tests."""
    for name in (kept.LABELS, kept.DRAWN, kept.CALIBRATION):
        (run.path / kept.FOLDER / name).unlink(missing_ok=True)
    return run


async def test_a_sample_is_seeded_blinded_and_spread(labelled):
    """The same seed draws the same items, another one others. Orders are mixed and no name is in the file."""
    items = sampled(labelled, 30)
    assert [item.id for item in sampled(labelled, 30)] == [item.id for item in items]
    assert {item.id for item in sampled(labelled, 30, seed=8)} != {item.id for item in items}
    assert len({item.query_id for item in items}) == 30
    assert 5 < sum(item.arms[0] == "A" for item in items) < 25
    for form in label.WRITERS:
        text = label.written(items, form, labelled.run_id)
        assert "TAG-" not in text
        assert '"arms"' not in text
        assert not {item.trials[0] for item in items} & set(text.replace('"', " ").split())
    assert len(sampled(labelled, 500)) == QUERIES


async def test_single_answers_are_drawn_for_every_arm(labelled):
    """The same queries on both arms, so that labels compare them."""
    items = sampled(labelled, 20, kind="answers")
    assert len(items) == 20
    by_query = {item.query_id: sorted(other.arms[0] for other in items if other.query_id == item.query_id) for item in items}
    assert set(map(tuple, by_query.values())) == {("A", "B")}


async def test_labels_of_several_raters_come_back_from_csv_and_jsonl(labelled, tmp_path):
    """Each rater has a name. Rows without a label are counted, and a later label replaces an earlier one."""
    items = sampled(labelled, 30)
    sheet = list(csv.DictReader(io.StringIO(label.written(items, "csv", "r"))))
    for row, item in zip(sheet[:20], items, strict=False):
        row["label"] = truth(item).upper()
    file = tmp_path / "bob.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, sheet[0])
        writer.writeheader()
        writer.writerows(sheet)
    assert label.read(labelled, [rated(items, tmp_path / "ann.jsonl", truth), file], rater=None) == (50, 10)
    assert {each.rater for each in kept.labels(labelled.path)} == {"ann", "bob"}
    assert label.read(labelled, [rated(items[:1], tmp_path / "again.jsonl", lambda _: "tie")], rater=None) == (1, 0)
    assert len(kept.labels(labelled.path)) == 50


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "hand-picked", "label": "1"}, "bad.jsonl:1: id hand-picked was not drawn from this run"),
        ({"label": "1"}, "id (empty) was not drawn"),
        ({"id": 0, "label": "best"}, "label 'best': use 1, 2 or tie"),
        ({"id": 0, "label": "pass"}, "label 'pass': use 1, 2 or tie"),
        ({"id": 0, "label": "1"}, "labels this item '1' and '2'; keep one"),
    ],
)
async def test_a_row_that_was_not_drawn_is_refused_and_nothing_is_kept(labelled, tmp_path, row, said):
    """The error names the file and the line, and says what to do."""
    items = sampled(labelled, 30)
    row = {**row, "id": items[0].id} if row.get("id") == 0 else row
    file = tmp_path / "bad.jsonl"
    other = {"id": items[0].id, "label": "2"}
    file.write_text(f"{json.dumps(row)}\n{json.dumps(other)}\n", encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        label.read(labelled, [file], rater="x")
    assert said in str(raised.value)
    assert str(raised.value).split("\n")[-1] == "label import: nothing was imported: correct these rows"
    assert isinstance(raised.value, DocumentError)  # whose lines are printed as lines
    assert kept.labels(labelled.path) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column id and label"),
        ("question,label\na,1\n", "has no column id"),
        ("{torn\n", ":1: is not JSON"),
        ('{"id": "a", "label": "0", "label": "1"}\n', ":1: label is given twice; keep one"),
        ('{"id": 1}\n[]\n', ":2: should be an object"),
    ],
)
async def test_a_broken_file_is_an_error(labelled, tmp_path, text, said):
    """The error names the file and what is missing. A file without rows is empty."""
    sampled(labelled, 30)
    file = tmp_path / "broken.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(f"{file}{'' if said.startswith(':') else ': '}{said}")):
        label.read(labelled, [file], rater=None)
    file.write_text("id,label\n", encoding="utf-8")
    assert label.read(labelled, [file], rater=None) == (0, 0)


@pytest.mark.parametrize("line", ["torn", "[]", '{"item": "x"}', '{"item": "x", "rater": "y", "label": "1", "more": 1}'])
async def test_damaged_labels_are_an_error_that_names_the_file(labelled, line):
    """Whatever lies in their place, no traceback reaches the user."""
    sampled(labelled, 30)
    (labelled.path / kept.FOLDER / kept.LABELS).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(StoreError, match=kept.LABELS):
        label.compared(labelled)


async def test_labels_without_a_sample_are_refused(labelled, tmp_path):
    """The error says how to draw one."""
    (tmp_path / "a.csv").write_text("id,label\n1,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="label draw"):
        label.read(labelled, [tmp_path / "a.csv"], rater=None)


async def test_agreement_errors_and_the_corrected_difference(labelled, tmp_path):
    """Two raters who agree, a judge that errs on every sixth query: kappa, errors per arm, and a verdict by labels."""
    items = sampled(labelled, 36)
    label.read(labelled, [rated(items, tmp_path / f"{who}.jsonl", truth, rater=who) for who in ("ann", "bob")], rater=None)
    (found,) = label.compared(labelled)
    assert (found.items, found.raters, found.between.value) == (36, {"ann": 36, "bob": 36}, 1.0)
    assert 0.5 < found.judge_kappa.value < 0.95
    assert found.shares["tie"] == pytest.approx(1 / 3, abs=0.06)
    errors = {each.arm: each for each in found.errors}
    assert errors["A"].wrongly_passed.value > 0.1  # where the judge is wrong, it prefers A
    assert errors["B"].wrongly_passed.value == 0.0
    assert errors["B"].wrongly_failed.value > 0.1
    (corrected,) = found.corrected
    assert corrected.judge < 0.45  # two thirds without the judge's errors
    assert corrected.estimate.lo < 26 / 40 < corrected.estimate.hi
    assert (corrected.labelled, corrected.queries, corrected.verdict) == (36, QUERIES, "better")
    lines = told.told([found])
    assert lines[0].startswith("36 pairs have labels (ann 36, bob 36): baseline 0%, tie 3")
    assert any(line.startswith("Errors of the judge on A: wins it should not") for line in lines)
    assert any(line.startswith("Verdict of the labels: B is better (p ") for line in lines)


async def test_measures_without_a_judge_are_set_against_the_labels(labelled, tmp_path):
    """A measure that orders answers as people do agrees always, its reverse never, and a constant one is left out."""
    items = sampled(labelled, 30)
    label.read(labelled, [rated(items, tmp_path / "ann.jsonl", truth)], rater=None)
    values = {trial: float(quality(text)) for item in items for trial, text in zip(item.trials, item.answers, strict=True)}
    common = {"contrasts": [("A", "B")], "margin": None, "confidence": 0.95, "seed": 1}
    nothing = Judgement(of_items={}, everywhere={})
    for sign, share in ((1, 1.0), (-1, 0.0)):
        turned = {trial: sign * value for trial, value in values.items()}
        found = analyse_labels(items, kept.labels(labelled.path), nothing, measures={"m": turned}, **common)
        assert found.measures["m"].value == share
    single = sampled(labelled, 40, kind="answers")
    grades = [Label(item=item.id, rater="a", label="pass" if quality(item.answers[0]) else "fail") for item in single]
    by_trial = {item.trials[0]: float(quality(item.answers[0])) for item in single}
    found = analyse_labels(single, grades, nothing, measures={"m": by_trial, "equal": dict.fromkeys(by_trial, 1.0)}, **common)
    assert {name: each.value for name, each in found.measures.items()} == {"m": 1.0}
    assert "Without a judge, m agrees with the raters in 100%" in "\n".join(told.told([found]))


async def test_fewer_than_thirty_labelled_queries_have_no_verdict(labelled, tmp_path):
    """The difference is there with its interval, and the number of labels that are missing."""
    label.read(labelled, [rated(sampled(labelled, 29), tmp_path / "ann.jsonl", truth)], rater=None)
    (found,) = label.compared(labelled)
    (corrected,) = found.corrected
    assert (corrected.labelled, corrected.verdict) == (29, None)
    assert "No verdict: 29 labelled queries, and 30 are needed" in told.told([found])


async def test_a_calibration_belongs_to_the_judge_that_was_labelled(labelled, tmp_path):
    """A run of the same judge beside it uses it. For another rubric it is stale."""
    label.read(labelled, [rated(sampled(labelled, 36), tmp_path / "ann.jsonl", truth)], rater=None)
    label.calibrate(labelled, label.compared(labelled))
    same = judged_runs.made(labelled.path.parent, run_id="same", queries=3)
    assert label.calibrated(same)[0].startswith("Labels of run r calibrate this judge: kappa 0.")
    other = judged_runs.made(labelled.path.parent, run_id="other", queries=3, rubric="is short")
    assert label.calibrated(other) == ("Stale: the judge's model, wording or rubric has changed since the labels of run r",)
    assert label.calibrated(labelled) == ()
