"""Mosquitto configurations for a district broker and those of its substations, from the tree of sites."""

from gridwatch.app.brokers.command import run_broker_config
from gridwatch.app.brokers.plan import Account, AccountRole, Broker, plan_brokers

__all__ = ["Account", "AccountRole", "Broker", "plan_brokers", "run_broker_config"]
