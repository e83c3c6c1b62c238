"""What a run is on disk: its directory, manifest and ledger, and how a run is found by its name."""
