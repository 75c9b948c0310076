"""Calls back into the running program: transforms and resource hooks.

The SDK serves them over gRPC on a local port, whatever the monitor is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Final

import grpc
from pulumi.runtime.proto import callback_pb2, callback_pb2_grpc, resource_pb2

from sandbox.events import SandboxError
from sandbox.provider import ResourceError

_POLL: Final = 0.5
"""Seconds between looks at whether the run was stopped while the program's callback runs."""

_RENAMED: Final = (
    ("depends_on", "dependencies"),
    ("ignore_changes", "ignoreChanges"),
    ("replace_on_changes", "replaceOnChanges"),
    ("aliases", "aliases"),
    ("additional_secret_outputs", "additionalSecretOutputs"),
    ("hide_diff", "hideDiffs"),
    ("replace_with", "replace_with"),
    ("version", "version"),
    ("provider", "provider"),
    ("plugin_download_url", "pluginDownloadURL"),
    ("deleted_with", "deletedWith"),
    ("import", "importId"),
    ("protect", "protect"),
    ("retain_on_delete", "retainOnDelete"),
    ("custom_timeouts", "customTimeouts"),
    ("hooks", "hooks"),
    ("replacement_trigger", "replacement_trigger"),
    ("providers", "providers"),
    ("delete_before_replace", "deleteBeforeReplace"),
)
"""Field of the options a transform sees -> field of the registration."""


class Callbacks:
    """The program's registered transforms and hooks."""

    def __init__(self, stopped: threading.Event, preview: bool) -> None:
        self._stopped = stopped
        self._preview = preview
        self._channels: dict[str, grpc.Channel] = {}
        self._lock = threading.Lock()
        self._stack_transforms: list[callback_pb2.Callback] = []
        self._invoke_transforms: list[callback_pb2.Callback] = []
        self._inherited: dict[str, list[callback_pb2.Callback]] = {}
        self._hooks: dict[str, resource_pb2.RegisterResourceHookRequest] = {}

    def add_stack_transform(self, callback: callback_pb2.Callback) -> None:
        self._stack_transforms.append(callback)

    def add_invoke_transform(self, callback: callback_pb2.Callback) -> None:
        self._invoke_transforms.append(callback)

    def add_hook(self, request: resource_pb2.RegisterResourceHookRequest) -> None:
        with self._lock:
            if request.name in self._hooks:
                raise SandboxError(f"resource hook {request.name!r} is registered twice; names must differ")
            self._hooks[request.name] = request

    def transform(self, request: resource_pb2.RegisterResourceRequest) -> resource_pb2.RegisterResourceRequest:
        """The registration after its own transforms, its parents' and the stack's, in that order."""
        inherited = self._inherited.get(request.parent, [])
        callbacks = [*request.transforms, *inherited, *self._stack_transforms]
        if not callbacks:
            return request
        result = resource_pb2.RegisterResourceRequest()
        result.CopyFrom(request)
        for callback in callbacks:
            ask = resource_pb2.TransformRequest(
                type=result.type, name=result.name, custom=result.custom, parent=result.parent
            )
            ask.properties.CopyFrom(result.object)
            _copy_options(result, ask.options, to_request=False)
            answer = resource_pb2.TransformResponse.FromString(self._call(callback, ask))
            result.object.CopyFrom(answer.properties)
            if answer.HasField("options"):
                _copy_options(result, answer.options, to_request=True)
        return result

    def remember(self, urn: str, request: resource_pb2.RegisterResourceRequest) -> None:
        """Children of ``urn`` inherit its transforms and its parents'."""
        chain = [*request.transforms, *self._inherited.get(request.parent, [])]
        if chain:
            with self._lock:
                self._inherited[urn] = chain

    def transform_invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeRequest:
        """The invoke after the stack's transforms."""
        if not self._invoke_transforms:
            return request
        result = resource_pb2.ResourceInvokeRequest()
        result.CopyFrom(request)
        for callback in self._invoke_transforms:
            ask = resource_pb2.TransformInvokeRequest(token=result.tok)
            ask.args.CopyFrom(result.args)
            ask.options.provider = result.provider
            ask.options.version = result.version
            answer = resource_pb2.TransformInvokeResponse.FromString(self._call(callback, ask))
            result.args.CopyFrom(answer.args)
            if answer.HasField("options"):
                result.provider = answer.options.provider
                result.version = answer.options.version
        return result

    def knows_hook(self, name: str) -> bool:
        """Whether the program registered this hook."""
        return name in self._hooks

    def run_hooks(self, names: Iterable[str], request: resource_pb2.ResourceHookRequest) -> None:
        """Run hooks in order. :class:`ResourceError` when one fails that may not, or is not registered."""
        for name in names:
            hook = self._hooks.get(name)
            if hook is None:
                raise ResourceError(
                    f"resource hook {name!r} is not registered", remedy="declare it in the program again"
                )
            if self._preview and not hook.on_dry_run:
                continue
            answer = resource_pb2.ResourceHookResponse.FromString(self._call(hook.callback, request))
            if answer.error and not hook.ignore_errors:
                raise ResourceError(f"resource hook {name!r} failed: {answer.error}")

    def close(self) -> None:
        """Close the connections to the program."""
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _call(self, callback: callback_pb2.Callback, message: Any) -> bytes:
        with self._lock:
            if callback.target not in self._channels:
                self._channels[callback.target] = grpc.insecure_channel(callback.target)
            stub = callback_pb2_grpc.CallbacksStub(self._channels[callback.target])
        request = callback_pb2.CallbackInvokeRequest(token=callback.token, request=message.SerializeToString())
        future = stub.Invoke.future(request)
        while True:
            try:
                return bytes(future.result(timeout=_POLL).response)
            except grpc.FutureTimeoutError:
                if self._stopped.is_set():
                    future.cancel()
                    raise SandboxError("the run was stopped while the program's callback ran") from None
            except grpc.RpcError as error:
                raise ResourceError(f"the program's callback failed: {error.details()}") from error


def _copy_options(
    request: resource_pb2.RegisterResourceRequest, options: resource_pb2.TransformResourceOptions, to_request: bool
) -> None:
    """Copy what both messages know, one way or the other; what is unset at the source is cleared."""
    source: Any = options if to_request else request
    target: Any = request if to_request else options
    for option, field in _RENAMED:
        there, here = (option, field) if to_request else (field, option)
        if here == "delete_before_replace" and not request.deleteBeforeReplaceDefined:
            continue
        target.ClearField(here)
        value = getattr(source, there)
        descriptor = source.DESCRIPTOR.fields_by_name[there]
        if descriptor.label == descriptor.LABEL_REPEATED:
            getattr(target, here).MergeFrom(value)
        elif descriptor.message_type:
            if source.HasField(there):
                getattr(target, here).CopyFrom(value)
        elif not descriptor.has_presence or source.HasField(there):
            setattr(target, here, value)
    if to_request:
        request.deleteBeforeReplaceDefined = options.HasField("delete_before_replace")
