"""The embedded Uderia: a server that speaks Uderia's REST and plays an agent by seeded rules.

A stranger to the rest of the package on purpose: it imports nothing of it, so that a mistake of our own readers about the
protocol cannot be mirrored here and test green. ``app.create`` gives the ASGI application, ``serving.serve`` runs it on a port.
"""
