"""Every table: how soon the service answers, how fast it answers turns, and how fast the books are written."""

from benchmarks import ledger, start, ussd_turns

start.main()
ussd_turns.main()
ledger.main()
