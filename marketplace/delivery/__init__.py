"""Delivery: who brings the meal, and the proof that it arrived."""
