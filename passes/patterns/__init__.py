"""What a PULP cluster can run: per operator a pattern, a reader, and a check that says why not.

`table` lists them all.
"""
