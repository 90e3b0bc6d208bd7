"""Open Sound Control: messages /graftlab/NAME NUMBER that move the faders of the room Live."""

import math
import threading
from collections.abc import Callable

from graftlab.errors import GraftError, needs

LONGEST_NAME = 200  # characters


class Hearing:
    """A UDP port that OSC messages are sent to. GraftError if it cannot be used."""

    def __init__(self, host: str, port: int) -> None:
        needs("Messages of OSC", "pythonosc", "python-osc", "studio")
        from pythonosc.dispatcher import Dispatcher
        from pythonosc.osc_server import BlockingOSCUDPServer

        self._messages = Dispatcher()
        try:
            self._server = BlockingOSCUDPServer((host, port), self._messages)
        except (OSError, OverflowError) as error:
            raise GraftError(f"Port {port} of {host} cannot hear OSC ({error}); choose another --osc.") from None
        self.port: int = self._server.server_address[1]

    def begin(self, control: Callable[[str, float], object]) -> None:
        """Tell of each message by name and number, in a thread of its own; whatever has none is passed over."""

        def heard(address: str, *values: object) -> None:
            name = address.removeprefix("/graftlab/")
            match values:
                case [int() | float() as value, *_] if math.isfinite(value) and len(name) <= LONGEST_NAME:
                    control(name, float(value))

        self._messages.map("/graftlab/*", heard)
        threading.Thread(target=self._server.serve_forever, name="osc", daemon=True).start()

    def close(self) -> None:
        """Hear no more. Only after `begin`."""
        self._server.shutdown()
        self._server.server_close()
