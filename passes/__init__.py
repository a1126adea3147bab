"""Relay to Relay, one pass a file, each with a name and a description (see `registry`)."""
