"""What the events add up to: where callers are lost, how far it is to an order, and which variant does better.

A session that dropped hands its talk on to the session that resumes it. Who saw a page and did nothing after it,
neither there nor on another call, was lost there.
"""

from core.errors import NotFound
from ledger.rendering import Column
from ledger.reporting import Report, count, selected

ORDERED = ("ussd.order.sent", "ussd.order.paid")

_OF_PERIOD = "WHERE at >= :since AND at < :until"

# Each turn with the talk that it belongs to, which is named by the first event of its oldest run: home and a change of
# language begin a new run in mid-session. An aggregator's end event is no turn.
_TURNS = f"""
WITH seen AS (
    SELECT *, split_part(shown, '#', 1) AS screen,
           min(id) OVER (PARTITION BY coalesce(run_ref, session_ref)) AS run_began
    FROM ussd_event {_OF_PERIOD} AND outcome NOT IN ('abort', 'timeout', 'repeated')
), of_session AS (
    SELECT session_ref, min(run_began) AS talk FROM seen GROUP BY session_ref
), turn AS (
    SELECT seen.*, talk, lead(id) OVER (PARTITION BY talk ORDER BY id) IS NULL AS is_last
    FROM seen JOIN of_session USING (session_ref)
)"""  # noqa: S608 - our own text

_SCREENS = f"""{_TURNS}, refusal AS (
    SELECT split_part(answered, '#', 1) AS screen, count(*) AS refused FROM turn WHERE outcome = 'refused' GROUP BY 1
)
SELECT screen, count(*), count(*) FILTER (WHERE is_last),
       round(100.0 * count(*) FILTER (WHERE is_last) / count(*))::int, coalesce(max(refused), 0),
       round(100.0 * coalesce(max(refused), 0) / count(*))::int, max(septets),
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)::numeric)::int
FROM turn LEFT JOIN refusal USING (screen) WHERE asks GROUP BY screen ORDER BY 3 DESC, 2 DESC, 1
"""  # noqa: S608

# One row a talk. One that met its end in a session and went on in another was resumed.
_RUNS = f"""{_TURNS}, run AS (
    SELECT min(coalesce(network, dialect)) AS network, max(language) AS language,
           count(*) FILTER (WHERE asks) AS screens, count(DISTINCT session_ref) > 1 AS resumed,
           bool_or(is_last AND asks) AS lost,
           bool_or(screen = ANY (:ordered)) AS ordered, max(variants) AS variants,
           count(*) FILTER (WHERE outcome = 'refused') AS refused,
           extract(epoch FROM min(at) FILTER (WHERE screen = ANY (:ordered)) - min(at)) AS seconds
    FROM turn GROUP BY talk
)"""  # noqa: S608

_FIGURES = """
       count(*), count(*) FILTER (WHERE ordered), round(100.0 * count(*) FILTER (WHERE ordered) / count(*))::int,
       count(*) FILTER (WHERE lost), count(*) FILTER (WHERE resumed),
       round(100.0 * count(*) FILTER (WHERE resumed)
             / nullif(count(*) FILTER (WHERE resumed OR lost), 0))::int,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY screens) FILTER (WHERE ordered),
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE ordered))::bigint,
       sum(refused)::bigint
"""

_TALKS = f"""{_RUNS}
SELECT coalesce(network, '-'), coalesce(language, '-'), {_FIGURES}
FROM run GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""  # noqa: S608

# Half of the interval that holds the true share of orders in 95 of 100 cases.
_EXPERIMENTS = f"""{_RUNS}, part AS (
    SELECT split_part(variant, '@', 1) AS experiment, split_part(variant, '@', 2) AS variant, run.*
    FROM run, unnest(variants) AS variant
)
SELECT experiment, part.variant, count(*), count(*) FILTER (WHERE ordered),
       round(100 * avg(ordered::int))::int,
       round(196 * sqrt(avg(ordered::int) * (1 - avg(ordered::int)) / count(*)))::int,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY screens) FILTER (WHERE ordered),
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE ordered))::bigint
FROM part GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608


def _figure(key: str) -> Column:
    """What is no sum of anything."""
    return count(key, total=False)


SCREENS = Report(
    name="screens",
    asks="period",
    columns=(
        Column("screen"),
        count("shown"),
        count("lost"),
        _figure("lost_percent"),
        count("refused"),
        _figure("refused_percent"),
        _figure("septets"),
        _figure("median_ms"),
    ),
    rows=selected(_SCREENS),
)

TALKS = Report(
    name="talks",
    asks="period",
    columns=(
        Column("network"),
        Column("language"),
        count("talks"),
        count("orders"),
        _figure("ordered_percent"),
        count("lost"),
        count("resumed"),
        _figure("resumed_percent"),
        _figure("screens_to_order"),
        _figure("seconds_to_order"),
        count("refused"),
    ),
    rows=selected(_TALKS, ordered=list(ORDERED)),
)

EXPERIMENTS = Report(
    name="experiments",
    asks="period",
    columns=(
        Column("experiment"),
        Column("variant"),
        count("talks"),
        count("orders"),
        _figure("ordered_percent"),
        _figure("give_or_take"),
        _figure("screens_to_order"),
        _figure("seconds_to_order"),
    ),
    rows=selected(_EXPERIMENTS, ordered=list(ORDERED)),
)

REPORTS = (SCREENS, TALKS, EXPERIMENTS)


def find(name: str) -> Report:
    """Raises NotFound."""
    report = next((one for one in REPORTS if one.name == name), None)
    if report is None:
        raise NotFound()
    return report
