"""What a language model is asked about an answer, and the scores it gave."""
