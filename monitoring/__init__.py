"""What can be seen of running processes from outside: their logs, metrics endpoints and consumer groups."""
