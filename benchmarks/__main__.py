"""Every table: how soon the service answers, how fast it answers turns, how fast the books are written, and how fast people pay."""

from benchmarks import ledger, payments, start, ussd_turns

start.main()
ussd_turns.main()
ledger.main()
payments.main()
