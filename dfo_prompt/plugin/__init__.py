"""How plugins are found: the hooks, the catalogue of what is installed, and the options of what plugins give."""
