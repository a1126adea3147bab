"""NE16, the convolution accelerator of GAP9, through the API of pulp-nnx."""
