"""The web view: runs, a run in progress, a trial, in a browser, from the run directories alone.

``following`` reads a run's ledger into a ``state``, ``run_page`` renders it with the report's own tables and
pictures, ``channel`` hands each page what changed since it last heard, and ``watcher`` drives all of
them from one thread. A state is data with a published schema, so that a recording holds no markup.
"""
