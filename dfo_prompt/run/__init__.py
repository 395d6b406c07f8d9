"""Runs studies from a configuration: builds objects by name, opens the folder, runs the loop."""
