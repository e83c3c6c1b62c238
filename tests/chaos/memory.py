"""Kill runs with memory arms at random, restore and resume them; and ask many trials of a slow writer.

    PYTHONPATH=tests python -m chaos.memory kills --rounds 50
    PYTHONPATH=tests python -m chaos.memory writer --trials 1000

Each exits with 1 where the server is not as it was, a change was made a second time before it was undone, or a query
arrived while the plan of an earlier trial was unwritten.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from embedded import ADMIN, embedded, state_of
from memories import PROMPTS, MemoryRun, experiment, teach

from uderia_bench.gateway import embedded as server
from uderia_bench.gateway.connect import connect
from uderia_bench.runs.ledger import Ledger

LONGEST_S = 6.0  # from the start of a run until it is killed: most end later
ENVIRON = {**os.environ, "UDERIA_USERNAME": "admin", "UDERIA_PASSWORD": "admin"}
CORPUS = {"version": 1, "queries": [{"id": f"q{number}", "prompt": prompt} for number, prompt in enumerate(PROMPTS)]}
EXPERIMENT = {
    "version": 1,
    "corpus": "corpus.yaml",
    "arms": [
        {"name": "cold", "profile": "OPTIM", "memory": "off"},
        {"name": "warm", "profile": "OPTIM", "memory": "frozen"},
    ],
    "manage_server": True,
    "repeats": 8,
    "warmup": 0,
}


def command(folder, *said):
    """Start a command in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "uderia_bench", *said],
        cwd=folder,
        env=ENVIRON,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def done(folder, *said):
    """Run a command to its end; return its exit code and what it said."""
    process = command(folder, *said)
    return process.wait(), process.stderr.read()


async def state(address):
    """Return all that a run may change, as JSON."""
    async with connect(address, ADMIN) as uderia:
        return json.dumps(await state_of(uderia), sort_keys=True)


async def taught(address):
    """Teach a new server; return its state."""
    async with connect(address, ADMIN) as uderia:
        await teach(uderia)
        return json.dumps(await state_of(uderia), sort_keys=True)


def made_twice(folder):
    """Return the changes that were made while an equal one was not undone, of one ledger."""
    ledger = folder / "output" / "r" / "ledger.sqlite"
    if not ledger.exists():
        return []
    with Ledger.open(ledger) as opened:
        return [str(noted.change) for noted in opened.changes() if noted.state != "restored"]


def round_of_kills(rng, folder):
    """Return how far a run came before it was killed, and what was wrong then."""
    (folder / "corpus.yaml").write_text(json.dumps(CORPUS))
    (folder / "e.yaml").write_text(json.dumps(EXPERIMENT))
    faults = folder / "server.yaml"
    faults.write_text(json.dumps({"server": {"login_limit": 0, "cold_start": False, "chance": False}}))
    with server.serve(seed=rng.randrange(1000), speed=300.0, faults=faults) as address:
        before = asyncio.run(taught(address))
        process = command(folder, "run", "e.yaml", "--server", address, "--run-id", "r")
        manifest, until = folder / "output" / "r" / "manifest.json", time.monotonic() + 60
        while not manifest.exists() and time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.random() * LONGEST_S)
        killed = process.poll() is None
        if killed:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        begun = manifest.exists()
        changed = asyncio.run(state(address)) != before
        wrong = []
        if begun:
            code, said = done(folder, "restore", "r", "--trust-server", "127.0.0.1")
            wrong += [f"restore ended with {code}: {said}"] if code else []
        wrong += ["not restored"] if asyncio.run(state(address)) != before else []
        if begun:
            code, said = done(folder, "resume", "r", "--trust-server", "127.0.0.1")
            wrong += [f"resume ended with {code}: {said}"] if code not in (0, 5) else []
            wrong += ["not restored after the resume"] if asyncio.run(state(address)) != before else []
            wrong += made_twice(folder)
        return killed, changed, wrong


def kills(rounds, seed):
    """Kill runs at random; print what was wrong."""
    rng, bad, dead, left = random.Random(seed), 0, 0, 0
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            killed, changed, wrong = round_of_kills(rng, Path(folder))
        dead, left, bad = dead + killed, left + changed, bad + bool(wrong)
        print(
            f"round {number}: {'killed' if killed else 'ended'}{', server changed' if changed else ''} {wrong or ''}",
            flush=True,
        )
    print(f"{rounds} rounds, {dead} killed, {left} of them with a changed server, {bad} wrong")
    return bad


def writer(trials):
    """Ask trials of arms that learn, of a server that writes late; print how many found a plan unwritten."""
    prompts = tuple(
        f"How many rows are in the {name} table?"
        for name in ("orders", "items", "users", "carts", "bills", "shops", "towns", "roads")
    )
    repeats = -(-trials // (2 * len(prompts)))
    asked = embedded(chance=False, write_delay_s=(200.0, 1500.0))
    arms = [("grows", "learning", {}), ("plain", "off", {})]
    with tempfile.TemporaryDirectory() as folder:
        run = MemoryRun(asked, experiment(arms, repeats=repeats, prompts=prompts), Path(folder))
        asyncio.run(run.run())
    early = sum(truth.unwritten_cases > 0 for truth in asked.state.truth)
    found = sum(truth.cases > 0 for truth in asked.state.truth)
    print(f"{len(asked.state.truth)} trials, {found} found a plan, {early} asked while a plan was unwritten")
    return early


def main():
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("kills", "writer"))
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    sys.exit(1 if (kills(said.rounds, said.seed) if said.what == "kills" else writer(said.trials)) else 0)


if __name__ == "__main__":
    main()
