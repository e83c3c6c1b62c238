"""Documents written by people: read strictly, changed by ``--set``, and validated with all mistakes at once.

``read`` turns a YAML file into a ``Document`` (``reading``), and ``set_values`` changes it (``overrides``). ``validate``
makes a model of it, or raises a ``DocumentError`` with every mistake and its place (``checking``). The models of
documents are in ``corpus`` and ``experiment``.
"""
