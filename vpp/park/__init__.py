"""A park folder becomes a `Park`; every fault of the input is reported at once."""
