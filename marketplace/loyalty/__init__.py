"""Points and tiers (D11)."""
