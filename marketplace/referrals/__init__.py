"""Bringing a friend: credit for both after the friend's first meal (D12)."""
