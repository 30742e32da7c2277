"""The recap of ``catenula validator update``: the words that scripts of the reference expect."""

from catenula.client.administration.committees import ChangePlan
from catenula.protocol import ValidatorState

_WIDTH = 78
_TITLE = "VALIDATOR BATCH UPDATE RECAP"
_TITLE_INDENT = 24
_RULE = "═" * 77

DRY_RUN_NOTICE = [_RULE, "DRY RUN MODE: No changes will be applied", _RULE, ""]
WARNING = [
    _RULE,
    "⚠️  WARNING: This operation will modify the validator committee.",
    "             Changes are permanent and will be broadcast to the network.",
    _RULE,
    "",
]
QUESTION = "Do you want to proceed? Type 'YES' (uppercase) to confirm: "
CONFIRMED = "\nConfirmed. Proceeding with batch update...\n"


def recap_lines(plan: ChangePlan) -> list[str]:
    """What a batch of changes will do, from its box to the empty line at the end."""
    title = " " * _TITLE_INDENT + _TITLE
    lines = [
        "",
        f"╔{'═' * _WIDTH}╗",
        f"║{title:<{_WIDTH}}║",
        f"╚{'═' * _WIDTH}╝",
        "",
        "Summary:",
        f"  • {len(plan.additions)} validator(s) to add",
        f"  • {len(plan.modifications)} validator(s) to modify",
        f"  • {len(plan.removals)} validator(s) to remove",
        "",
    ]
    if plan.additions:
        lines.append("Validators to ADD:")
        for key, state in plan.additions:
            lines += [f"  + {key}", *_state_lines(state, "", 13)]
        lines.append("")
    if plan.modifications:
        lines.append("Validators to MODIFY:")
        for key, state in plan.modifications:
            lines += [f"  * {key}", *_state_lines(state, "New ", 17)]
        lines.append("")
    if plan.removals:
        lines += ["Validators to REMOVE:", *(f"  - {key}" for key in plan.removals), ""]
    return lines


def _state_lines(state: ValidatorState, prefix: str, width: int) -> list[str]:
    rows = [
        ("Address:", state.network_address),
        ("Account Key:", str(state.account_public_key)),
        ("Votes:", str(state.votes)),
    ]
    return [f"    {prefix + label:<{width}}{text}" for label, text in rows]
