"""Helpers that know nothing of studies: files, downloads, parsing, seeds, memory."""
