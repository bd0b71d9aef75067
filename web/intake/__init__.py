"""The intake: ratings over HTTP to their topic, acknowledged when Kafka has them."""
