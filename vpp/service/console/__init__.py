"""The page that a dispatcher looks at: rendered here, kept alive by one event stream."""
