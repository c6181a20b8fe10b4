"""What a driver says by SMS."""

from channels.sms.exchange import Ask, Reply
from core.sealed import seal_phone
from marketplace.delivery import handover
from marketplace.delivery import service as delivery
from marketplace.delivery.states import CARRYING
from marketplace.people import service as people


async def on(ask: Ask) -> Reply:
    """`ON AKWA`, or `ON` where they were last."""
    quarter = await delivery.set_presence(ask.tx, driver_id=ask.subject_id, on=True, quarter=ask.parts.get("quarter"))
    assert quarter, "who is on is somewhere"
    return Reply("sms.on", {"quarter": quarter.name})


async def off(ask: Ask) -> Reply:
    """`OFF`"""
    await delivery.set_presence(ask.tx, driver_id=ask.subject_id, on=False)
    return Reply("sms.off")


async def claim(ask: Ask) -> Reply:
    """`OUI 4821`"""
    job = await delivery.claim(ask.tx, driver_id=ask.subject_id, number=ask.number)
    return Reply("sms.claimed", {"number": job.number, "restaurant": job.restaurant_name, "quarter": job.from_quarter})


async def pick_up(ask: Ask) -> Reply:
    """`P 4821 37`: the answer says where to and whom to call."""
    job = await handover.pick_up(ask.tx, driver_id=ask.subject_id, number=ask.number, pickup_number=ask.parts["code"])
    phone = job.contact_phone or (await people.get(ask.tx, person_id=job.customer_id)).phone
    place = f"{job.place_label}, {job.directions}" if job.directions else job.place_label
    return Reply("sms.picked_up", {"number": job.number, "place": place, "phone": seal_phone(ask.tx.keys, phone)})


async def arrive(ask: Ask) -> Reply:
    """`A 4821`"""
    job = await delivery.arrive(ask.tx, driver_id=ask.subject_id, number=ask.number)
    return Reply("sms.at_door" if job.state in CARRYING else "sms.at_restaurant", {"number": job.number})


async def hand_over(ask: Ask) -> Reply:
    """`4821 7305`, or `7305` with one open job."""
    number = ask.number if "number" in ask.parts else None
    job = await handover.hand_over(ask.tx, driver_id=ask.subject_id, number=number, code=ask.parts["code"])
    return Reply("sms.handed_over", {"number": job.number, "pay_xaf": job.pay_xaf})


async def problem(ask: Ask) -> Reply:
    """`PB 4821 2`"""
    kind = int(ask.parts.get("kind", 0))
    job = await delivery.problem(ask.tx, driver_id=ask.subject_id, number=ask.number, kind=kind)
    return Reply("sms.problem_carrying" if job.state in CARRYING else "sms.problem_fetching", {"number": job.number})


async def sos(ask: Ask) -> Reply:
    """`SOS`"""
    await delivery.sos(ask.tx, driver_id=ask.subject_id)
    return Reply("sms.sos")
