"""Labels: the sample of a run's answers that people grade, and their labels."""
