"""Contracts that plugins implement: optimizers, objectives, methods and endpoints, and the specs that offer them."""
