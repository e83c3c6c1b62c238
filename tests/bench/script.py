"""The way of the script this project replaces: a ``requests`` session, a poll every 2 s, the end when a poll sees it.

That script asks one question at a time; here a thread asks each, so that as many are in flight as beside it. It needs the
environment of Locust, which brings ``requests``. ``python -m bench.script URL TRIALS EVERY_S``
"""

from __future__ import annotations

import json
import sys
import threading
import time

import requests
from bench import machine, server


def ask(url: str, trials: int, every_s: float) -> list[dict]:
    """Ask so many questions, begun at an even rate, and return what was seen of each."""
    token, profile = server.sign_in(url)
    begun_s = time.perf_counter()
    seen = []

    def one(number: int) -> None:
        time.sleep(max(0.0, begun_s + number / server.RAMP_PER_S - time.perf_counter()))
        with requests.Session() as client:
            client.headers["Authorization"] = f"Bearer {token}"
            session = client.post(f"{url}/api/v1/sessions", json={"profile_id": profile}).json()["session_id"]
            query = {"prompt": server.PROMPT, "profile_id": profile}
            sent_s = time.perf_counter()
            accepted = client.post(f"{url}/api/v1/sessions/{session}/query", json=query).json()
            while client.get(f"{url}{accepted['status_url']}").json()["status"] not in server.TERMINAL:
                time.sleep(every_s)
            seen_s = time.perf_counter() - sent_s
            client.get(f"{url}/api/v1/sessions/{session}/details").json()
            seen.append({"task_id": accepted["task_id"], "sent_s": sent_s, "seen_s": seen_s})

    threads = [threading.Thread(target=one, args=(number,)) for number in range(trials)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


if __name__ == "__main__":
    machine.take(machine.client_core())
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    found = ask(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    told = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s, "trials": found}
    sys.stdout.write(json.dumps(told) + "\n")
