"""Reports of one run.

``content`` holds the values that every format renders, and the words they share. ``sections`` has their order. ``headline``
makes the three lines of the decision, with ``decision`` for each class of queries. ``tables`` and ``contrasts`` make most
tables. The modules in ``formats`` turn them into text, Markdown, JSON, JUnit and HTML, and ``gates`` evaluates conditions.

``trial`` is the output of ``uderia-bench inspect``, and ``seed`` writes the two files of ``uderia-bench compare``.
``design``, ``power``, ``trying`` and ``watch`` are the output of other commands.
Every module returns values or text. The commands write files.
"""
