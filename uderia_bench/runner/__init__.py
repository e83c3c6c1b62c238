"""Asks the trials of a run: plan, pacing, lanes, polls, the book of results, budget and stops."""
