"""What people write: the corpus, the experiment and what is expected of an answer, as checked models.

``yaml/`` reads the files strictly and reports every mistake with its place.
"""
