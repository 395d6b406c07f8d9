"""Reads studies and suites, compares them and writes the report."""
