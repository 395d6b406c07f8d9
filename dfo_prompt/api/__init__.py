"""The Python interface: each function runs to the end, shows progress, and returns a result that notebooks display."""
