"""Front ends: a network file becomes a Relay module."""
