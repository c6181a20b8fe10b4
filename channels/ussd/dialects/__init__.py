"""The dialects we speak, one file each; docs/ussd-dialects.md says how to add one."""

from channels.ussd.dialect import Dialect
from channels.ussd.dialects.africastalking import AfricasTalking
from channels.ussd.dialects.arkesel import Arkesel
from channels.ussd.dialects.comviva_flares import ComvivaFlares
from channels.ussd.dialects.comviva_xml import ComvivaXml
from channels.ussd.dialects.hubtel import Hubtel
from channels.ussd.dialects.infobip import Infobip
from channels.ussd.dialects.mtn_madapi import MtnMadapi
from channels.ussd.dialects.nalo import Nalo
from channels.ussd.dialects.orange_xhtml import OrangeXhtml
from channels.ussd.dialects.safaricom import Safaricom

DIALECTS: tuple[Dialect, ...] = (
    AfricasTalking(),
    Safaricom(),
    Hubtel(),
    Nalo(),
    Arkesel(),
    MtnMadapi(),
    ComvivaFlares(),
    ComvivaXml(),
    Infobip(),
    OrangeXhtml(),
)
