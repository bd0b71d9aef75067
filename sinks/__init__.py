"""Outputs for any Bytewax dataflow: custom sinks inside Bytewax's recovery barrier, which lose nothing."""
