"""The aggregators of USSD as they stand on the wire, one table each: what they ask, and how they read our answers.

The phones of the simulated networks speak through these tables, and so do the tests of the dialects: what the one
shows is what the other proves.
"""

from pathlib import Path

from payments.simulator.aggregators.wire import Wire, read

AGGREGATORS: dict[str, Wire] = {path.stem: read(path) for path in sorted(Path(__file__).parent.glob("*.toml"))}
