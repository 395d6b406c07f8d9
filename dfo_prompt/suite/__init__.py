"""Suites: many studies under equal budgets, from one file."""
