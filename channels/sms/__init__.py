"""SMS: commands that people send, and the carriers that our texts go out through."""
