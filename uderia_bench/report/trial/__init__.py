"""One trial in full, as ``inspect`` prints it and the HTML report shows it."""
