"""Avro beside JSON, and beside fastavro: decoding and writing alone, and the main job."""
