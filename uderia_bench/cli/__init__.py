"""The command line, one module per command.

A module declares its options, calls ``commands`` and prints. ``app`` assembles them and turns
errors into exit codes.
"""
