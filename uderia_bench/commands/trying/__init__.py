"""``try``: propose changes of a profile, screen them on half of the queries, confirm them on the other half, hand over.

Both stages are ordinary runs. ``declared`` fixes everything before the first trial, and ``stages`` takes
the next step of a test wherever it stands.
"""
