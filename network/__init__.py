"""The park's AC network: model, batched power flow, security."""
