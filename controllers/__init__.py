"""What decides: planning thinks, acting acts."""
