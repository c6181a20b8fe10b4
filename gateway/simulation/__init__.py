"""Orders by the hundred against a hostile network, and the proof that no franc was lost or taken twice.

`run.py` starts everything and keeps it alive, `town.py` is the people, `passing.py` the time, `truth.py` the proof.
"""
