"""C sources only (headers, kernels, platforms), shipped as package data."""
