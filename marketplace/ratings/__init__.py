"""What people think of a meal and of its ride."""
