"""Cost models, one per engine: predicted cycles of a kernel call or of a transfer."""
