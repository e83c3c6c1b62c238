"""The simulated agent: profiles, LLMs, tools, knowledge and scripts."""
