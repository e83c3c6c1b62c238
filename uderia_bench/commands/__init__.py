"""One user question per file: run, resume, derive, compare, diff, history, power, inspect, watch, check, export.

The command line prints what these functions return; a script may call them as well.
"""
