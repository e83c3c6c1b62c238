"""From the raw record of a trial to tables: traces, metrics, issues, checks and the Parquet files of a run.

``derive`` does it for a run. ``profile_types`` reads a record into its trace, ``foreign_tools`` marks the trials whose
prompt had another profile's tools, and ``pricing`` adds a cost by price lists. ``metrics``, ``detectors`` and
``expectations`` read a trace, ``judge`` and ``labels`` its answer. ``tables`` has the rows of the files.
"""
