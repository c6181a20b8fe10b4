"""People: callers, drivers and staff, their PINs, passwords and logins."""
