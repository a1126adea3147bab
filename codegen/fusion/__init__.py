"""Consecutive layers that run as one, tile by tile through all of them."""
