"""The units of a SoC that compute layers: one module each, chosen by the SoC file (docs/engines.md)."""
