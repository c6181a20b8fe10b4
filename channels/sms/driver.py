"""What a driver says by SMS."""

from channels.sms.exchange import Ask, Reply
from marketplace.delivery import handover, sheets
from marketplace.delivery import service as delivery
from marketplace.delivery.states import CARRYING


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
    return await claim_job(ask, ask.number)


async def claim_job(ask: Ask, number: int) -> Reply:
    """The job on offer of this number is theirs, unless another was faster."""
    job = await delivery.claim(ask.tx, driver_id=ask.subject_id, number=number)
    return Reply("sms.claimed", {"number": job.number, "restaurant": job.restaurant_name, "quarter": job.from_quarter})


async def pick_up(ask: Ask) -> Reply:
    """`P 4821 37`: the answer says where to and whom to call."""
    job = await handover.pick_up(ask.tx, driver_id=ask.subject_id, number=ask.number, pickup_number=ask.parts["code"])
    sheet = await sheets.sheet(ask.tx, job)
    assert sheet.phone, "who carries a meal knows whom to call"
    return Reply("sms.picked_up", {"number": sheet.number, "place": sheet.place, "phone": sheet.phone})


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
