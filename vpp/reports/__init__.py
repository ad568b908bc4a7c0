"""What planners and dispatchers read afterwards."""
