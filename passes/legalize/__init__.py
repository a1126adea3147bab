"""One file per operator: a quantized island of the imported network becomes canonical integer arithmetic.

`values` says what a rewritten value is, `build` holds the canonical forms, `read` looks into the imported
Relay.
"""
