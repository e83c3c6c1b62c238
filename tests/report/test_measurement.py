"""How well a run measured, as every format says it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report.reports import arm, comparison, estimate, ratio, report, summary

from uderia_bench.report import standing
from uderia_bench.report.formats import as_json, markdown, text
from uderia_bench.report.measurement import as_mapping, measurement, open_share
from uderia_bench.report.standing import Standing
from uderia_bench.runs.generator import GeneratorRecord

MEASURED = GeneratorRecord(
    asking_s=36.0, trials=190, cpu_share=0.07, lag_mean_s=0.0004, lag_p99_s=0.002, lag_max_s=0.005, stalls=3, stalled_s=0.06,
    send_late_p99_s=0.0014, poll_late_p99_s=0.0035, in_flight=4.5, arrival_rate=5.0, flight_s=0.88,
)  # fmt: skip
STARVED = "invalid: the load generator's event loop was late; lower load.concurrency"


def measured(conditions=MEASURED, *, invalid=(), held_up=0, **given):
    """Return a report of a run that measured itself."""
    made = report(**given)
    found = replace(made.analysis, invalid=tuple(invalid), held_up=held_up)
    return replace(made, facts=replace(made.facts, generator=conditions), analysis=found)


def polled(name, share):
    """Return an arm whose times have this error of polling."""
    shares = summary("quantisation", share, percentiles={50: estimate(share)})
    return arm(name, summary("latency_s", 6.0), shares)


def test_the_figures_stand_in_a_few_sentences():
    """Lag, lateness, CPU, Little's law: by them a reader knows whether the generator was the bottleneck."""
    assert measurement(measured()) == (
        "Event loop delay: mean 0.4 ms, p99 2 ms, maximum 5 ms. It stalled 3 times, 0.06 s in total.",
        "Delay behind schedule (p99): queries 1.4 ms, polls 3.5 ms.",
        "CPU: 7.0% of a core over 36 s.",
        "Little's law: 4.5 in flight, 5/s for 0.88 s each. The two sides differ by 2.2%.",
    )


def test_an_open_loop_a_resumed_run_and_trials_held_up_have_their_words():
    """Asked and achieved arrivals, how many sittings these are the worst of, how many trials the event loop held up."""
    found = replace(MEASURED, asked_rate=50.0, achieved_rate=49.5, sent_late=3, never_sent=4, sittings=2)
    said = measurement(measured(found, arms=(arm("IDEAT", answered=93), arm("OPTIM", answered=93)), held_up=12))
    assert said[0] == "The run had 2 sittings. Rates are of the worst one, times and counts of all."
    assert said[2].endswith("Arrivals: 49.5/s of 50/s planned, 3 sent late, 4 never sent.")
    assert said[-1] == "The event loop delayed the round trip of 12 of 186 measured trials."


def test_a_run_that_did_not_measure_itself_says_nothing():
    """Runs of older versions have no such part, in any format."""
    made = report()
    assert (measurement(made), as_mapping(made)) == ((), None)
    assert "Measurement" not in text.to_text(made)


@pytest.mark.parametrize("render", [text.to_text, markdown.to_markdown])
def test_every_format_has_the_part(render):
    """The same sentences in text and Markdown."""
    assert "CPU: 7.0% of a core" in render(measured()).replace("\\", "")


def test_a_program_gets_the_same_with_what_follows_from_it():
    """report.json has every figure, Little's law worked out, and why the run is invalid."""
    said = as_json.as_dict(measured(invalid=(STARVED,), held_up=7))["measurement"]
    assert (said["lag_p99_s"], said["held_up"], said["sittings"]) == (0.002, 7, 1)
    assert said["littles_law"] == pytest.approx(0.1 / 4.5)
    assert said["invalid"] == [STARVED.removeprefix("invalid: ")]


def test_a_run_whose_generator_was_the_bottleneck_is_invalid_whatever_it_compares():
    """Also one that compares nothing: exit code 5, with the reason and the way out."""
    made = measured(invalid=(STARVED,))
    assert standing.of(made) is Standing.INVALID
    assert standing.invalid_reasons(made) == (STARVED.removeprefix("invalid: "),)
    assert standing.of(measured()) is Standing.FINE


def test_every_latency_table_has_the_error_of_polling():
    """It is the median share of each arm. A table of tokens does not have it."""
    arms = ("IDEAT", "OPTIM")
    stamped = measured(arms=(polled("IDEAT", 0.0), polled("OPTIM", 0.0)))
    assert open_share(stamped, arms, ("latency_s",)) == "Times come from server timestamps, so polling adds no error."
    half = measured(arms=(polled("IDEAT", 0.0), polled("OPTIM", 0.125)))
    assert open_share(half, arms, ("task_s",)) == "Polling adds an error to the times (median): 0.0% on IDEAT, 12.5% on OPTIM."
    assert open_share(half, arms, ("total_tokens",)) is None
    assert open_share(measured(arms=(arm("IDEAT"),)), arms, ("latency_s",)) is None


def test_the_tables_carry_it_as_a_remark():
    """Contrast and percentiles, in the text a reader sees."""
    made = measured(
        arms=(polled("IDEAT", 0.0), polled("OPTIM", 0.2)),
        comparisons=(comparison("latency_s", ratio(1.1, 1.05, 1.15), "worse"),),
    )
    assert text.to_text(made, width=120).count("Polling adds an error to the times (median)") == 2
