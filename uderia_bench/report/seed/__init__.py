"""The two files of the quick comparison: ``test_run_<timestamp>.json`` and ``comparison_<timestamp>.md``."""
