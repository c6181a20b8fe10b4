"""Every table: how soon the service answers, how fast it answers turns, writes the books, and has people pay."""

from benchmarks import ledger, payments, start, ussd_turns

start.main()
ussd_turns.main()
ledger.main()
payments.main()
