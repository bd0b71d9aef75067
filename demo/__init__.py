"""The main job on an embedded Kafka with generated data: what `make run` runs, and parts of it that tests use."""
