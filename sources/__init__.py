"""Inputs for any Bytewax dataflow."""
