"""USSD: one door per aggregator; its dialect decodes to a Turn and encodes a Reply."""
