"""PULP back end for TVM: what a user calls. Importing this package does not import TVM."""
