"""Studies: one optimizer on one objective until the budget is spent. The loop, the ledger, the journals, the folder."""
