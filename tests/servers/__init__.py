"""Real servers on this machine, without containers: one file a server, for the tests and for a person."""
