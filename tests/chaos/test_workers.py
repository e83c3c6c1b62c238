"""A small round of ``python -m chaos.workers``: a worker is killed or stopped, the store fails, and no trial is lost."""

from __future__ import annotations

import pytest
from chaos.workers import Size, play


@pytest.mark.timeout(300)
def test_another_worker_continues_and_each_trial_has_one_result(tmp_path):
    """Each trial has a result, extra queries are counted, and arms do not overlap on the server."""
    played = play(2, tmp_path, Size(servers=1, workers=2, queries=6, troubles=(1, 1)))
    assert played.wrong == []
    assert played.trials == 12
    assert played.happened["SIGKILL"] + played.happened["SIGSTOP"] == 1
