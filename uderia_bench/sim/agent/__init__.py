"""The simulated agent: profiles, language models, tools, knowledge and the scripts of its answers."""
