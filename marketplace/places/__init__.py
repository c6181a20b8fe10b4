"""Places: where one can stand and wait for a meal, and what it costs to bring it there."""
