"""Web pages: the phones, and the way from the browser to the simulated networks."""
