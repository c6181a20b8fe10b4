"""A bare `OUI` of a driver: the job on offer, or the meal they were quoted. Where it could be both, they say which."""

import msgspec

from channels.sms import driver, ordering
from channels.sms.exchange import ROLE_WORDS, Ask, Reply, which
from marketplace.delivery import queries as deliveries


async def yes(ask: Ask) -> Reply:
    """The only thing that it can mean, else the list of the full texts."""
    offers = await deliveries.open_offers(ask.tx, driver_id=ask.subject_id)
    if not offers:
        reply = await ordering.agree(ask)
        # Quoted anew, the same word a moment later is an answer and no echo.
        return msgspec.structs.replace(reply, changed=reply.key == ordering.SENT)
    has_quote = await ordering.waits(ask)
    if len(offers) == 1 and not has_quote:
        return await driver.claim_job(ask, offers[0].number)
    word = ask.parts["word"].upper()
    meal = f"{ROLE_WORDS['customer']['en' in ask.parts]} {word}".upper()
    return which([*(f"{word} {offer.number}" for offer in offers), *([meal] if has_quote else [])])


async def yes_again(ask: Ask, earlier: Reply) -> Reply:
    """A second bare `OUI` within a minute: a nervous thumb, or meant for the next job? It says so itself."""
    offers = await deliveries.open_offers(ask.tx, driver_id=ask.subject_id)
    if not offers:
        return earlier
    params = {"number": earlier.params["number"], "next": offers[0].number, "word": ask.parts["word"].upper()}
    return Reply("sms.agreed_next", params, changed=False)
