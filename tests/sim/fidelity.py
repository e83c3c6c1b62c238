"""Print the number of compared exchanges and of their differences, explained and unexplained.

python tests/sim/fidelity.py
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter


async def main() -> int:
    """Replay every recording and labelled trial; return the number of unexplained differences."""
    from sim import replay, replay_learning
    from sim.comparison import EXPLAINED, compare
    from sim.conftest import running

    compared, explained, unexplained = 0, Counter[str](), Counter[str]()
    answers = [
        answer
        for drive in (*replay.DRIVERS.values(), *replay_learning.DRIVERS.values(), *replay_learning.OTHERS.values())
        async for answer in drive(running)
    ]
    answers += [answer for name in replay.labelled_names() async for answer in replay.labelled(running, name)]
    for answer in answers:
        compared += 1
        for found in compare(answer.captured, answer.status, answer.content_type, answer.body):
            intended = any(entry.explains(found) for entry in EXPLAINED)
            (explained if intended else unexplained)[found.kind] += 1
    sys.stdout.write(f"{compared} exchanges compared; explained: {dict(explained)}; unexplained: {dict(unexplained)}\n")
    sys.stdout.writelines(f"- {entry.kind} at {entry.at}: {entry.reason}\n" for entry in EXPLAINED)
    return sum(unexplained.values())


if __name__ == "__main__":
    sys.path.insert(0, "tests")
    sys.exit(asyncio.run(main()))
