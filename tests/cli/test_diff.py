"""``diff`` through the real command: what it prints and how it leaves."""

import json

from frames import grid, noisy
from runs import saved


def test_the_gate_decides_the_exit_code(command):
    """A slower run is 0 without the gate and 1 with it, as text and as JSON; a refused baseline is 2 in one line."""
    output = command.cwd / "output"
    saved(output, "first", grid(queries=12, repeats=2, value=noisy(noise=0.05)))
    saved(output, "second", grid(queries=12, repeats=2, value=noisy(noise=0.05, ratio=2)))
    saved(output, "third", grid(queries=12, repeats=3, value=noisy(noise=0.05, ratio=2)))
    plain = command("diff", "first", "second")
    assert plain.returncode == 0, plain.stderr
    assert max(map(len, plain.stdout.splitlines())) <= 80
    gated = command("diff", "first", "second", "--arm", "OPTIM", "--gate", "--json")
    assert gated.returncode == 1
    report = json.loads(gated.stdout)
    assert report["gates"] == [
        {"name": "nothing worse than the baseline", "passed": False, "detail": report["gates"][0]["detail"]}
    ]
    assert report["gates"][0]["detail"].startswith("worse: OPTIM latency_s +")
    brief = command("diff", "first", "second", "--gate").stdout.splitlines()
    assert len(brief) <= 10
    assert brief[0].startswith("second, ")
    assert brief[1].startswith("  worse     OPTIM latency_s +")
    assert any(line.startswith("Since: between 2026-11-24 10:00 and ") for line in brief)
    assert "Changed in between: nothing that the manifests record." in brief
    assert brief[-1] == "Gate missed: nothing worse than the baseline (exit 1)"
    full = command("diff", "first", "second", "--full").stdout
    assert "OPTIM (run) compared with OPTIM (baseline)" in full
    refused = command("diff", "first", "third")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert command("diff", "first", "third", "--force").returncode == 0
