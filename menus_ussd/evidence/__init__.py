"""What callers did, turn by turn, so that a page that loses people is found. No text, number or name is kept.

`log` writes one event a turn, beside the turn and never in its way; `reports` adds them up; `experiments` tries two
texts, or two ways through a journey, on callers who always get the same one.
"""
