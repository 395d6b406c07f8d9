"""The pictures of a suite, and the numbers plotted in each."""
