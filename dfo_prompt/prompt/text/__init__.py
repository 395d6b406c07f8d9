"""Prompts that are texts: from z to demonstrations and an instruction, and from these to a loss over any endpoint."""
