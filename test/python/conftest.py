"""Tests plan anew: what an earlier version kept must not decide them."""

from __future__ import annotations

import os

os.environ.setdefault("TVM_PULP_CACHE", "off")
