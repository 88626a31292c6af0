"""A simulated provider, used by the demo, tests and benchmarks."""

from orderwatch.simulator.scenario import Scenario, load
from orderwatch.simulator.server import Simulator, serve

__all__ = ["Scenario", "Simulator", "load", "serve"]
