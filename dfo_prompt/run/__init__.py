"""From names and a configuration to a finished study."""
