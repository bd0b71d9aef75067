"""The health of a flow's process: when it is ready and alive, when it gives up, and the page that tells."""
