"""Projections, which map the search space to soft prompts."""
