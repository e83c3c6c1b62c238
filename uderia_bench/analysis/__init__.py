"""Frames, metrics and contrasts in; estimates per arm and comparisons with verdicts out.

Reports import ``analysis.values`` only, which needs neither polars nor scipy.
"""
