"""Reports of one run: neutral content in, text, Markdown or JSON out as a string. No file is opened, no terminal looked at.

``content`` holds what is said and the words every renderer shares, ``headline`` the three lines that decide, ``tables`` the
neutral tables; ``text``, ``markdown`` and ``as_json`` render them; ``seed_files`` are the two files of a quick comparison.
"""
