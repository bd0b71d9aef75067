"""Every server that can be started here, without containers: one file a server, for tests, people and benchmarks."""
