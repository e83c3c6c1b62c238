"""Asks the trials of a run: the plan, the pace, the lanes, the polls, the book of results and the ways to stop."""
