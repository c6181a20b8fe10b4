"""What a caller sees: the conversation engine, and the journeys it runs."""
