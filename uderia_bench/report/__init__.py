"""Reports of one run.

``content`` holds the values that every format renders, and the words they share. ``headline`` makes
the three lines of the decision, ``tables`` the tables. The modules in ``formats`` turn them into
text, Markdown, JSON, JUnit and HTML. ``seed`` writes the two files of ``uderia-bench compare``.
Every module returns values or text. The commands write files.
"""
