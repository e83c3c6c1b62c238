"""Asks the trials of a run.

``sitting`` connects to the servers, opens the ledger and starts ``runner``, which asks trials until the plan is done or a stop.

- Plan: ``plan`` orders the trials, ``turns`` the arms of a server. ``outline`` counts a plan and names what it cannot balance.
- Load: ``arrivals`` and ``pacing`` say when a trial may start. A ``lane`` asks the conversations of one server, and a ``pool``
  has the windows that its servers have left.
- One trial: ``asking``, with ``draft`` and ``session_files``. ``following`` polls by the schedule of ``poll_times``.
- Results: ``book`` writes them into the ledger, ``gauge`` measures the load generator, ``progress`` shows the counts.
- Ends: ``budget``, ``interim``, ``patience`` for a server that is away, and ``stop`` for a signal of ``signals``.
- Changes of a server: ``managed`` undoes them, those of ``copies`` and ``memory`` too. ``hooks`` runs commands of the user.
- Runs in a store: ``work`` is a worker, with ``journaled``, ``journals``, ``heartbeat`` and ``scratch``. ``on_dask`` starts
  workers on Dask, with ``dask_engine`` and ``dask_task``.
- Beside a run: ``control`` takes commands, ``exclusion`` lets runs on one machine take turns, and ``judging`` asks the judge.
"""
