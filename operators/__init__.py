"""Steps between streams, for any Bytewax dataflow. No I/O, and nothing of ratings.

A stream item is a batch: ``(key group, Batch of records)``. A Python call through Bytewax costs 0.1-0.5 us an item
and a key 4.5 us, so items are polls of thousands of records and keys are 16 groups; the functions that are handed to
these steps see single records all the same.
"""
