"""Classes whose methods share children: `setup` instead of `@nn.compact`."""

from __future__ import annotations

from linenify.facts.plan import Plan


def plan_setup(plan: Plan) -> None:
    """Moves shared, literally named children of a class into `setup`."""
    del plan
