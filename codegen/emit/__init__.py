"""A layer graph and its plan as C. Nothing is decided here: the plan says it all."""
