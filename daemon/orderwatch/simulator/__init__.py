"""The provider in miniature: demo, tests and benchmarks all use it."""

from orderwatch.simulator.scenario import Scenario, load
from orderwatch.simulator.server import Simulator, serve

__all__ = ["Scenario", "Simulator", "load", "serve"]
