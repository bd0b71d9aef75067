from dataflows.ratings import flow  # noqa: D100, F401
