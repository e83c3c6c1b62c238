"""Models of the documents that people write: corpora, experiments and expectations of answers.

``yaml/`` reads the files strictly and reports every mistake with its place.
"""
