"""One SMS to whoever filled a cart by USSD and was cut off: a number to dial that goes on exactly there.

It is advertising: it never goes to a number that said STOP, and rarely twice a day to one that did not.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text

from core import sealed
from core.clock import DOUALA
from core.crypto import same
from core.database import Database, Tx
from marketplace.catalogue import queries as catalogue
from marketplace.notifications.service import notify
from marketplace.ordering.tables import cart, cart_reminder
from marketplace.people import service as people

FUNCTION = "7"  # what is dialled after the service code, and then the cart's own code
BATCH = 50
LAST_MINUTES = 5  # of a cart's life: too short to read an SMS and dial

# The newest cart of everybody who left one behind, marked as reminded.
_LEFT_BEHIND = text("""
INSERT INTO cart_reminder (cart_id, person_id, sent_at)
SELECT DISTINCT ON (cart.person_id) cart.id, cart.person_id, :now
  FROM cart JOIN person ON person.id = cart.person_id
 WHERE cart.saved_at BETWEEN :since AND :until AND cart.discarded_at IS NULL AND cart.channel = 'ussd'
   AND NOT EXISTS (SELECT FROM cart AS newer WHERE newer.person_id = cart.person_id AND newer.saved_at > cart.saved_at)
   AND NOT EXISTS (SELECT FROM customer_order WHERE cart_id = cart.id)
   AND NOT EXISTS (SELECT FROM cart_reminder AS sent WHERE sent.cart_id = cart.id)
   AND NOT EXISTS (SELECT FROM sms_opt_out WHERE phone_index = person.phone_index)
   AND (SELECT count(*) FROM cart_reminder AS sent
         WHERE sent.person_id = cart.person_id AND sent.sent_at > :yesterday) < :most
 ORDER BY cart.person_id, cart.saved_at DESC LIMIT :batch
RETURNING cart_id, person_id
""")


async def sweep(database: Database) -> int:
    """Remind whom it is time to remind; how many were."""
    settings = database.settings
    async with database.transaction() as tx:
        await tx.queue_up("cart reminders")  # two workers must not count the same yesterday
        bounds = {
            "now": tx.now,
            "since": tx.now - timedelta(minutes=settings.cart_minutes - LAST_MINUTES),
            "until": tx.now - timedelta(minutes=settings.cart_reminder_minutes),
            "yesterday": tx.now - timedelta(days=1),
            "most": settings.cart_reminders_per_day,
            "batch": BATCH,
        }
        reminded = await tx.all(_LEFT_BEHIND, bounds)
        for row in reminded:
            await _remind(tx, row)
    return len(reminded)


async def is_code(tx: Tx, *, person_id: UUID, digits: str) -> bool:
    """Whether `digits` are the code of a cart that this person was reminded of and may still order."""
    lives = cart_reminder.c.sent_at > tx.now - timedelta(minutes=tx.settings.cart_minutes)
    mine = select(cart_reminder.c.cart_id).where(cart_reminder.c.person_id == person_id, lives)
    codes = (sealed.code(tx.keys, "cart_code", row.cart_id) for row in await tx.all(mine))
    return any(same(code, digits) for code in codes)


async def _remind(tx: Tx, reminded: Row[Any]) -> None:
    person = await people.get(tx, person_id=reminded.person_id)
    left = await tx.one(select(cart.c.restaurant_id, cart.c.saved_at).where(cart.c.id == reminded.cart_id))
    until = left.saved_at + timedelta(minutes=tx.settings.cart_minutes)
    code = sealed.seal("cart_code", reminded.cart_id)
    params = {
        "restaurant": (await catalogue.get_restaurant(tx, restaurant_id=left.restaurant_id)).name,
        "time": until.astimezone(DOUALA).strftime("%H:%M"),
        "dial": f"{tx.settings.service_code.removesuffix('#')}*{FUNCTION}*{code}#",
    }
    await notify(
        tx,
        phone=person.phone,
        language=person.language,
        key="sms.cart_left",
        params=params,
        about=reminded.cart_id,
        useful_until=until,
    )
