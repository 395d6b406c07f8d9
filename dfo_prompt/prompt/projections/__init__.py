"""Projections: maps from the search space to soft prompts."""
