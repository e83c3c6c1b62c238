"""How each profile type answers a question: one engine a profile type, and the parts they share."""
