"""General helpers, independent of studies: files, downloads, parsing, seeds, memory."""
