"""The fire drill: faults caused for real, and the alerts that Prometheus makes of them."""
