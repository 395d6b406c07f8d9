"""What a person sees while studies run, and at their end."""
