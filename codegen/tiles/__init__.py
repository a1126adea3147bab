"""The loop nest of one layer: its tiles, and the steps that compute them."""
