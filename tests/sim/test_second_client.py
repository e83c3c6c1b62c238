"""Tests of the second client, which shares no code with the project, on the embedded server."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest
from sim.second_client import Refused, Uderia


@pytest.fixture(scope="module")
def url():
    """Start a server process and return its address."""
    command = [sys.executable, "-m", "uderia_bench.sim", "--speed", "200", "--login-limit", "0", "--exit-with-parent"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()


@pytest.mark.parametrize("tag", ["IDEAT", "OPTIM", "FOCUS", "COORD", "PLAIN", "DIGEST"])
def test_it_asks_every_type_of_profile(url, tag):
    """The trial is answered by its profile, with the tokens of the truth."""
    trial = Uderia(url).ask(tag, "what is a good training plan? #chain")
    assert (trial.status, trial.answered, trial.profile_tag) == ("complete", True, tag)
    with urllib.request.urlopen(f"{url}/sim/truth", timeout=60) as answer:
        truth = [entry for entry in json.load(answer) if entry["profile_tag"] == tag][-1]
    assert trial.model == truth["model"]
    naming = 0 if tag == "COORD" else truth["naming_tokens"]
    assert trial.input_tokens + trial.output_tokens == truth["input_tokens"] + truth["output_tokens"] + naming


def test_it_distinguishes_complete_from_answered(url):
    """A plan that never parses ends complete without an answer."""
    trial = Uderia(url).ask("OPTIM", "this plan is broken")
    assert (trial.status, trial.answered, trial.answer) == ("complete", False, None)


def test_it_cancels_at_its_deadline(url):
    """The task ends cancelled."""
    trial = Uderia(url).ask("IDEAT", "count rows #slow=3000000", deadline_s=0.2)
    assert (trial.status, trial.answered) == ("cancelled", False)


def test_it_receives_error_statuses(url):
    """A wrong password gives 401, an unknown task 404."""
    with pytest.raises(Refused) as refused:
        Uderia(url, password="wrong")
    assert refused.value.status == 401
    with pytest.raises(Refused) as refused:
        Uderia(url).call("GET", "/api/v1/tasks/task-nobody")
    assert refused.value.status == 404
