"""What a study is, as data: typed configuration, and presets of published settings."""
