"""The simulated plant: devices, grid and clock behind real Modbus servers."""
