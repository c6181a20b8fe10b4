"""`gateway menus` and `gateway texts`: proof that no page is too long and no caller is stuck, and what callers did."""
