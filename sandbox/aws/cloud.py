"""The simulated AWS account: moto in this process, reached through ordinary boto3 clients.

moto keeps its state in module-level variables, so there is one :class:`Cloud` per process, shared by
every stack and provider. It draws each id from one random source. That source is seeded per
resource (:meth:`Cloud.seeded`), so replaying the same resources in another process, in any order, gives
the same ids. Everything runs under one lock: the seed and the calls that it determines belong together.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import moto
import moto.core.responses
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.loaders import JSONFileLoader, Loader
from botocore.model import OperationModel
from botocore.session import Session
from botocore.validate import ParamValidator
from moto.backends import get_backend
from moto.core.config import default_user_config
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.elastic_block_store import EBSBackend
from moto.moto_api._internal import mock_random
from moto.utilities.utils import PARTITION_NAMES

from sandbox.aws.index import Index
from sandbox.provider import ResourceError

DEFAULT_ACCOUNT = "123456789012"
"""moto's own default account."""

_MOTO_NAMES: Mapping[str, str] = {"lambda": "awslambda", "events": "events"}
_CONFIG = Config(retries={"max_attempts": 0}, parameter_validation=True, s3={"addressing_style": "path"})


class _ReadOnce(JSONFileLoader):
    """Keeps AWS's API descriptions, which botocore reads once per session and moto makes many sessions of."""

    @staticmethod
    @functools.cache
    def load_file(file_path: str) -> Any:
        return JSONFileLoader().load_file(file_path)


Loader.FILE_LOADER_CLASS = _ReadOnce
_responses: Any = moto.core.responses
_responses.method_names_from_class = functools.cache(_responses.method_names_from_class)
"""moto lists the methods of a service's class again for each request: a tenth of the time of a replay."""


_load_images: Any = AmiBackend._load_amis


class _Images:
    """The public images of a region, loaded when one is first asked for.

    moto makes some 1,300 objects of them for each region, at each reset; most regions are never asked.
    """

    def __get__(self, backend: Any, _: type) -> Any:
        if not backend.__dict__.setdefault("images_are_loaded", False):
            backend.images_are_loaded = True
            state = mock_random.getstate()
            mock_random.seed(f"images:{backend.region_name}:{backend.account_id}")
            _load_images(backend)
            mock_random.setstate(state)
        return backend.__dict__["images"]

    def __set__(self, backend: Any, images: Any) -> None:
        backend.__dict__["images"] = images


_make_volumes_key: Any = EBSBackend._create_default_encryption_key


def _volumes_key(backend: Any) -> Any:
    """AWS's own key for volumes, made with the first one of a region, which must not get other ids by that."""
    state = mock_random.getstate()
    mock_random.seed(f"volumes-key:{backend.region_name}:{backend.account_id}")
    made = _make_volumes_key(backend)
    mock_random.setstate(state)
    return made


_volumes: Any = EBSBackend
_volumes._create_default_encryption_key = _volumes_key
_images: Any = AmiBackend
_images.amis, _images._load_amis = _Images(), lambda backend: None


class Cloud:
    """moto, its clients and the index of what is live."""

    _instance: Cloud | None = None
    _instance_lock = threading.Lock()

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.index = Index()
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._ready: set[tuple[str, str, str]] = set()
        """Whose backends are made; the clients of an emptied account are used again."""
        self._session: Any = Session()
        self._mock = moto.mock_aws()
        self._mock.start()

    @classmethod
    def shared(cls) -> Cloud:
        """The one cloud of this process."""
        with cls._instance_lock:
            if cls._instance is None:
                cls._instance = cls()
            return cls._instance

    def reset(self) -> None:
        """Forget everything: an empty account again."""
        with self.lock:
            self._mock.reset()
            self.index.clear()
            self._ready.clear()

    def used(self) -> list[tuple[str, str, str]]:
        """The (service, region, account) of every client used since the account was empty."""
        return sorted(self._ready)

    @contextmanager
    def seeded(self, seed: str) -> Iterator[None]:
        """Hold the lock with moto's random source seeded from ``seed``."""
        with self.lock:
            mock_random.seed(int(hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest(), 16))
            yield

    def client(self, service: str, region: str, account: str = DEFAULT_ACCOUNT) -> Any:
        """A client, with its backends made under a seed of their own so that they take no one else's ids."""
        key = (service, region, account)
        with self.lock:
            if key not in self._ready:
                state = mock_random.getstate()
                for name in ("iam", "ec2", _MOTO_NAMES.get(service, service)):
                    # moto's dispatcher looks at its default account's us-east-1 whatever the request is for.
                    self._make_backend(name, "us-east-1", DEFAULT_ACCOUNT)
                    self._make_backend(name, region, account)
                if key not in self._clients:
                    self._clients[key] = self._make_client(service, region, account)
                mock_random.setstate(state)
                self._ready.add(key)
            return self._clients[key]

    def backend(self, name: str, region: str, account: str) -> Any:
        """moto's own state of a service, for what its API gets wrong."""
        backends: Any = get_backend(cast("Any", name))
        regions = backends[account]
        return regions["aws" if "aws" in regions.regions else region]

    def _make_backend(self, name: str, region: str, account: str) -> None:
        with self.seeded(f"backend:{name}:{region}:{account}"):
            backend = self.backend(name, region, account)
            if name == "iam":
                for partition in PARTITION_NAMES:
                    get_backend("iam")[account][partition]
                if not backend.aws_managed_policies:
                    _load_managed_policies(backend)

    def _make_client(self, service: str, region: str, account: str) -> Any:
        client = self._session.create_client(
            service,
            region_name=region,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
            config=_CONFIG,
        )
        if account != DEFAULT_ACCOUNT:
            client.meta.events.register(
                "before-call", lambda params, **_: params["headers"].update({"x-moto-account-id": account})
            )
        return client

    def operation(self, service: str, name: str) -> OperationModel:
        """botocore's model of one operation."""
        with self.lock:
            model: OperationModel = self._session.get_service_model(service).operation_model(name)
            return model

    def validate(self, service: str, operation: str, params: Mapping[str, Any]) -> None:
        """Refuse parameters that AWS's own API description refuses."""
        shape = self.operation(service, operation).input_shape
        if shape is None:
            return
        report = ParamValidator().validate(dict(params), shape)
        if report.has_errors():
            raise ResourceError(f"{operation}: {report.generate_report()}")

    def call(
        self, service: str, operation: str, params: Mapping[str, Any], region: str, account: str
    ) -> dict[str, Any]:
        """One API call; AWS's refusal becomes a :class:`ResourceError` that quotes it."""
        method = xform_name(operation)
        with self.lock:
            client = self.client(service, region, account)
            tokens = self.operation(service, operation).idempotent_members
            seeded = {name: str(mock_random.uuid4()) for name in tokens if name not in params}
            try:
                answer: dict[str, Any] = getattr(client, method)(**params, **seeded)
            except ParamValidationError as error:
                raise ResourceError(f"{operation}: {error.kwargs['report']}") from error
            except (ClientError, BotoCoreError) as error:
                raise ResourceError(f"{operation}: {_quote(error)}") from error
            return answer


def _load_managed_policies(backend: Any) -> None:
    """AWS's own managed policies, so that an unknown one is refused.

    moto can load them by itself, but does it for every partition and account: four times the second it takes.
    """
    known = _managed_policies(backend.account_id, backend.region_name)
    backend.aws_managed_policies = [copy.copy(policy) for policy in known]
    backend.managed_policies.update(backend._init_managed_policies())


@functools.cache
def _managed_policies(account: str, region: str) -> list[Any]:
    """As AWS publishes them; nobody attaches these objects themselves, only copies."""
    settings = default_user_config["iam"]
    settings["load_aws_managed_policies"] = True
    try:
        made: list[Any] = get_backend("iam")[account][region]._init_aws_policies()
        return made
    finally:
        settings["load_aws_managed_policies"] = False


def _quote(error: Exception) -> str:
    if isinstance(error, ClientError):
        detail = error.response["Error"]
        return f"{detail.get('Message', error)} ({detail.get('Code', 'error')})"
    return str(error)
