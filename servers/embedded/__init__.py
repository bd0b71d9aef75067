"""Stand-ins for servers, in this process: what each does, it does as the real one; the same tests run on both."""
