"""A report as text, Markdown, JSON, JUnit or HTML: content in, one string out."""
