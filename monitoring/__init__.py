"""What can be seen of running flows from outside: their metrics endpoints and their consumer groups."""
