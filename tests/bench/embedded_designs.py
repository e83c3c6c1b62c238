"""Runs with interim looks against the embedded server: OPTIM against a clone of it, with and without a planted difference.

Each seed starts a server that learns, clones the profile there, and runs ``configs/verdict.yaml`` on both with the real
command. The planted difference multiplies every LLM and tool call of the clone, and so the latency. A verdict is that of
the last look, and it is false where it contradicts what was planted. Seeds run side by side, so the report of a run can be
invalid because the load generator was late. Such runs are counted too.

``python -m bench.embedded_designs [--quick] [--seeds N]``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from bench import server
from bench.figures import Figure, markdown

from uderia_bench.gateway import embedded

EXPERIMENT = Path(__file__).resolve().parents[2] / "configs/verdict.yaml"
SPEED, QUICK = 25.0, 50.0  # answers take about 0.7 s
AT_ONCE = 2  # runs, each with its own server
CLONE, METRIC = "CLONE", "latency_s"
FIXED = 1_000  # trials of 100 queries asked five times on two arms
PLANTED = {"none": 1.0, "-15 %": 0.85}
FALSE = {"none": {"better", "worse"}, "-15 %": {"worse", "equivalent"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended: measured trials, verdict and interval of the last look, validity, and true log ratio of latencies."""

    trials: int
    verdict: str
    interval: tuple[float, float]
    valid: bool
    truth: float


def run(seed: int, factor: float, speed: float, folder: Path) -> Ended:
    """Run the experiment once, with a factor on the times of the clone."""
    effects = [{"on": on, "factor": factor, "when": {"tag": CLONE}} for on in ("llm_s", "tool_s")]
    (folder / "effects.yaml").write_text(json.dumps({"server": {"learning": True}, "effects": effects}))
    with embedded.serve(seed=seed, speed=speed, faults=folder / "effects.yaml") as url:
        token, _ = server.sign_in(url)
        (profile,) = (one for one in server.profiles(url, token) if one["tag"] == server.PROFILE)
        clone = {name: value for name, value in profile.items() if name != "id"} | {"tag": CLONE, "name": CLONE}
        server.call(url, "POST", "/api/v1/profiles", clone, token=token)
        report = _asked(url, seed, folder)
        truth = server.call(url, "GET", "/sim/truth", token=token)
    last = next(one for one in report["looks"][-1]["comparisons"] if one["metric"] == METRIC)
    final = next(one for one in report["comparisons"] if (one["metric"], one["stratum"]) == (METRIC, "all"))
    return Ended(
        trials=sum(report["run"]["settled"].values()),
        verdict=last["verdict"],
        interval=(last["effect"]["lo"], last["effect"]["hi"]),
        valid=final["verdict"] != "invalid",
        truth=_true_log_ratio(truth),
    )


def _asked(url: str, seed: int, folder: Path) -> dict[str, Any]:
    """Run the shipped experiment on OPTIM and its clone, and return its report."""
    said = yaml.safe_load(EXPERIMENT.read_text())
    del said["sim"]
    arms = [{"name": tag, "profile": tag} for tag in (server.PROFILE, CLONE)]
    said |= {"server": url, "corpus": str(EXPERIMENT.parent / said["corpus"]), "arms": arms, "seed": seed}
    (folder / "verdict.yaml").write_text(json.dumps(said))
    command = [sys.executable, "-m", "uderia_bench", "run", "verdict.yaml", "--run-id", "r", "--json"]
    env = {**os.environ, "UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def _true_log_ratio(truth: list[dict[str, Any]]) -> float:
    """Return the mean log ratio of the true latencies over the prompts that both profiles answered."""
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for task in truth:
        if task["latency_s"]:
            seen[str(task["prompt"])][task["profile_tag"]].append(np.log(task["latency_s"]))
    return float(np.mean([np.mean(one[CLONE]) - np.mean(one[server.PROFILE]) for one in seen.values() if len(one) == 2]))


def rows(seeds: int, *, effects: Iterable[str] = tuple(PLANTED), speed: float = SPEED) -> Iterator[Figure]:
    """Yield a figure for each planted effect."""
    for planted in effects if seeds else ():
        factor = PLANTED[planted]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda seed, factor=factor: _told(seed, factor, speed), range(1, seeds + 1)))
        trials = np.array([one.trials for one in found])
        counts = Counter(one.verdict for one in found)
        wrong = sum(counts[verdict] for verdict in FALSE[planted])
        ratio = np.array([one.truth for one in found])
        covered = sum(one.interval[0] <= factor <= one.interval[1] for one in found)
        yield Figure(
            name=f"embedded server, learning on, effect {planted}",
            value=float(trials.mean()),
            unit="trials",
            asked=f"≤ {FIXED // 2} trials, ≤ {seeds // 10} false",
            conditions=(
                f"{wrong} of {seeds} verdicts false ({', '.join(f'{n} {name}' for name, n in sorted(counts.items()))}), "
                f"{sum(not one.valid for one in found)} invalid; {covered} intervals hold {factor:g}; "
                f"{trials.min()} to {trials.max()} trials, standard error {_error(trials):.0f}; "
                f"true ratio {np.exp(ratio.mean()):.3f} ± {_error(ratio):.3f}; a fixed 100 x 5 asks {FIXED:,}"
            ),
        )


def _told(seed: int, factor: float, speed: float) -> Ended:
    """Run once, and print how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        found = run(seed, factor, speed, Path(folder))
    print(f"factor {factor:g}, seed {seed}: {found}", file=sys.stderr, flush=True)
    return found


def _error(values: np.ndarray) -> float:
    return float(values.std() / values.size**0.5)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="one seed")
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--effects", nargs="*", choices=PLANTED, default=tuple(PLANTED))
    said = options.parse_args()
    print(markdown(tuple(rows(1, speed=QUICK) if said.quick else rows(said.seeds, effects=said.effects))))


if __name__ == "__main__":
    main()
