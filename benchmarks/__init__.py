"""The project and a plain loop drain the same backlog from a real Kafka, side by side: `python -m benchmarks`."""
