"""The live page: what the flow's topics and metrics say, for people."""
