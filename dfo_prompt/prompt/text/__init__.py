"""Prompts that are texts: z selects demonstrations and an instruction, and any endpoint scores them."""
