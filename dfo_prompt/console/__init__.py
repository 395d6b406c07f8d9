"""Terminal output: progress of studies and suites, summaries and status."""
