"""One optimizer on one objective until the budget is spent: the loop, the ledger, the journals, the folder."""
