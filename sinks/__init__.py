"""Outputs for any Bytewax dataflow: sinks inside Bytewax's recovery barrier, which lose nothing. See README.md."""
