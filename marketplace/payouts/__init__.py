"""What restaurants and drivers have earned, sent to their phones on request."""
