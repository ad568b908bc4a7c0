"""Weather, demand and their forecasts."""
