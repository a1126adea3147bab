"""What lies in L1, L2 and L3, where and when, and what moves between them."""
