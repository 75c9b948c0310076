"""What a stack may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True)
class CostBudgetArgs:
    """How much, of what, and who is told."""

    amount: int
    """USD a month."""
    at: Sequence[int]
    """Shares of it in percent that are told when they are spent."""
    notify: Sequence[str]
    """E-mail addresses."""
    tags: Mapping[str, str]
    """What counts carries all of these. The account must know them as cost allocation tags."""


class CostBudget(pulumi.ComponentResource):
    """A monthly budget that tells people by mail. Costs nothing."""

    def __init__(self, name: str, args: CostBudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:operations:CostBudget", name, None, opts)
        aws.budgets.Budget(
            f"{name}-month",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(args.amount),
            limit_unit="USD",
            cost_filters=[
                aws.budgets.BudgetCostFilterArgs(
                    name="TagKeyValue", values=[f"user:{key}${value}" for key, value in args.tags.items()]
                )
            ],
            notifications=[
                aws.budgets.BudgetNotificationArgs(
                    notification_type="ACTUAL",
                    comparison_operator="GREATER_THAN",
                    threshold=share,
                    threshold_type="PERCENTAGE",
                    subscriber_email_addresses=list(args.notify),
                )
                for share in args.at
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
