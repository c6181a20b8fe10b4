"""USSD: one route per aggregator; a dialect decodes to a Turn and encodes a Reply."""
