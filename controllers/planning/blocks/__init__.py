"""One cvxpy block per device type."""
