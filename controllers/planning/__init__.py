"""The planner: one model compiled once, AC-secure, certified."""
