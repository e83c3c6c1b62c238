"""From the raw record of a trial to tables: traces, metrics, issues, checks and the Parquet files of a run."""
