"""The note on fidelity: how many captured exchanges were compared, and what differs, by kind and by whether it is explained.

python tests/sim/fidelity.py
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter


async def main() -> int:
    """Drive every folder of captures and every labelled trial; return how many differences are unexplained."""
    from sim import replay
    from sim.comparison import EXPLAINED, compare
    from sim.conftest import running

    compared, explained, unexplained = 0, Counter[str](), Counter[str]()
    answers = [answer for drive in replay.DRIVERS.values() async for answer in drive(running)]
    answers += [answer for name in replay.labelled_names() async for answer in replay.labelled(running, name)]
    for answer in answers:
        compared += 1
        for found in compare(answer.captured, answer.status, answer.content_type, answer.body):
            meant = any(entry.explains(found) for entry in EXPLAINED)
            (explained if meant else unexplained)[found.kind] += 1
    sys.stdout.write(f"{compared} exchanges compared; explained: {dict(explained)}; unexplained: {dict(unexplained)}\n")
    sys.stdout.writelines(f"- {entry.kind} at {entry.at}: {entry.reason}\n" for entry in EXPLAINED)
    return sum(unexplained.values())


if __name__ == "__main__":
    sys.path.insert(0, "tests")
    sys.exit(asyncio.run(main()))
