"""The embedded Uderia: a server with Uderia's REST interface and agents drawn from a seed.

Its code is separate from the rest of the package, so a mistake in the client's reading of the protocol
shows up as a failed test. ``app.create`` returns the ASGI application; ``serving.serve`` runs it on
a port.
"""
