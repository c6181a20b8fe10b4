"""Double entry: accounts, journals, postings, balances, reports. Knows nothing of orders or providers."""
