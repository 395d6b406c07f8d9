"""What a plugin implements: optimizers, objectives, methods, and the specs by which they are offered."""
