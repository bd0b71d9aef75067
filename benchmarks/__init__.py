"""The project beside its rivals, on a real Kafka and a real Elasticsearch: `python -m benchmarks`."""
