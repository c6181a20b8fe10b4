"""Money in and out of mobile money: never twice, never lost. Knows no orders; it calls the handlers it is given."""
