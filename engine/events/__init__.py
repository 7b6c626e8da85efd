"""What happens on this node, told to whoever asks: the bus behind `GET /events`."""

from engine.events.bus import Event, EventBus
from engine.events.subscription import Subscription

__all__ = ["Event", "EventBus", "Subscription"]
