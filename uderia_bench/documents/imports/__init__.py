"""Import of questions into a corpus: from lines, CSV, JSON, session files of Uderia, promptfoo and Inspect.

``readers`` turns files into rows, ``rows`` turns a row into a ``Question``, ``expected`` reads what the source expects of the
answer, and ``corpus_text`` writes the corpus. Whatever a source contains and a corpus cannot hold is kept as ``unread``,
with its file and line.
"""
