"""One row of the type table: how a Pulumi type is served by the AWS API.

A row says only what cannot be worked out from botocore's own description of the operation: property names
that differ by more than case, plural or an ``Id`` suffix, calls beyond the first, what forces a
replacement, and the outputs that AWS answers under another name.

**Templates.** Strings in ``args``, ``outputs``, ``key`` and ``arn`` may hold ``{name}`` places: ``id``, ``region``,
``account``, ``partition``, an input, an output, or ``hex7``/``hex8``/``hex17``/``uuid`` (random, the same on
every replay). A string that is one place and nothing else keeps the value's type, and a parameter whose place has no
value is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.aws.context import Context

Hook = Callable[["Context"], None]
Computed = Callable[["Context"], Any]


@dataclass(frozen=True)
class Call:
    """An API call beside the create: run after it when one of ``props`` is given, again when one changes."""

    operation: str
    props: str = ""
    """Input properties that the call carries, mapped onto its parameters by name."""
    args: Mapping[str, Any] | None = None
    """Parameters by template; the row's ``key`` when left out."""
    rename: Mapping[str, Any] = field(default_factory=dict)
    nest: str = ""
    on_create: bool = True
    service: str = ""
    store: bool = False
    """moto lacks the operation: validated, not sent."""


@dataclass(frozen=True)
class Row:
    """How one resource type is served."""

    service: str
    create: str = ""
    """The operation that makes it; empty when ``make`` does, or when AWS has no operation (a pure association)."""
    id: str | Computed = "{name}"
    """A template, or a JMESPath into the create's answer when it is text without ``{``."""
    key: str | Mapping[str, Any] = ""
    """The parameters that name the resource to other operations; a bare word means ``{word: "{id}"}``."""
    args: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the create that no property gives."""
    rename: Mapping[str, Any] = field(default_factory=dict)
    """Property (dotted when nested) to parameter (dotted when nested)."""
    nest: str = ""
    """Parameter that takes, by name, the properties that no top-level parameter takes (``Options``)."""
    ignore: Mapping[str, str] = field(default_factory=dict)
    """Properties with no parameter, each with the reason. They are kept in the state only."""
    calls: tuple[Call, ...] = ()
    replace: str = ""
    """Input names (dotted when nested) whose change forces a replacement, separated by blanks."""
    replace_if: Mapping[str, str] = field(default_factory=dict)
    """Input name to the boolean input that makes its change force a replacement."""
    read: tuple[str, Mapping[str, Any], str] | None = None
    """Operation, parameters by template, JMESPath of the resource in the answer."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """Output to template, function, or ``@`` and a JMESPath into what AWS describes."""
    arn: str = ""
    delete: str = ""
    delete_args: Mapping[str, Any] | None = None
    before_delete: Hook | None = None
    after_create: Hook | None = None
    on_update: Hook | None = None
    make: Callable[[Context], str] | None = None
    """Makes the resource where one operation does not; answers the id. Every input counts as mapped."""
    upsert: bool = False
    """The create operation also updates."""
    store: bool = False
    """moto lacks the operation: the request is validated against AWS's description and kept in the index."""
    brings: Callable[[Mapping[str, Any]], Mapping[str, str]] = lambda outputs: {}
    """From the outputs: what AWS makes along with it, type by name; it stands and falls with the resource."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Input that names another resource by its name or id, to that resource's type."""
    auto_name: str = "name"
    """The property that gets an automatic name when the type has it; empty for none."""
    name_form: str = "{name}-{hex}"
    name_max: int = 0
    """Longest automatic name; 0 when AWS's limit is far away."""
    tag_type: str = ""
    """``ResourceType`` of ``TagSpecifications``, where it is not the operation's noun in kebab case."""
    tag_key: str = ""
    """Template of what the tagging operation names: the ARN or the id, by service, when left out."""
    delete_first: bool = False
    """A replacement cannot stand beside the old one."""

    def key_params(self) -> Mapping[str, Any]:
        return {self.key: "{id}"} if isinstance(self.key, str) and self.key else dict(self.key or {})
