"""An engine that adds: the example of docs/engines.md."""
