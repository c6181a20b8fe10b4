"""Every table: how soon the service answers, and how fast it answers turns."""

from benchmarks import start, ussd_turns

start.main()
ussd_turns.main()
