"""The console as the web process takes it in."""

from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin

from channels.console.forwarder import forwarder
from channels.console.phone import phone_page, static_files
from core.http import HttpClient
from core.settings import Settings

_NETWORK_SECONDS = 15.0  # the simulated network gives the product 10


class Console(InitPlugin):
    """Phones and the way to the simulated networks; where there are none, it adds nothing.

    A plugin, because the connections to the simulator must be closed with the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        if self._settings.has_simulator:
            simulator = HttpClient(self._settings.simulator_url, connect_seconds=2.0, read_seconds=_NETWORK_SECONDS)
            app_config.route_handlers.extend([forwarder(simulator), phone_page, static_files])
            app_config.on_shutdown.append(simulator.close)
        return app_config
