"""What a PULP cluster can run: per operator a pattern of the canonical form, a reader and a check that says why not.

`table` lists them all.
"""
