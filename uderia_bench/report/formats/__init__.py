"""Formats of a report: text, Markdown, JSON, JUnit and HTML."""
