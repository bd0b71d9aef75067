"""The dataflows, each in a file of its own: ``python -m bytewax.run dataflows.NAME`` runs one."""
