"""The judge: the questions that a language model gets about an answer, and the scores it gives."""
