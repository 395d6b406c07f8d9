"""The calls of Python: each runs something from start to end, shows how far it is, and returns what shows itself."""
