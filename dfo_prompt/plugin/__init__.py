"""Plugin discovery: hooks, the catalogue of installed entries, and the options of their targets."""
