"""The command line: one thin file a command, each parse, load, call, print. ``app`` puts them together and meets the errors."""
