"""SoC files (TOML), one a chip; read and checked by `tvm_pulp.soc`."""
