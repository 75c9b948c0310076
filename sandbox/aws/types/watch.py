"""Logs, alarms, events, queues and topics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws.context import Context
from sandbox.aws.row import Call, Row
from sandbox.provider import ResourceError

_LOG_GROUP: Final = {"logGroupName": "aws:cloudwatch/logGroup:LogGroup"}
_QUEUE_ATTRIBUTES: Final[Mapping[str, str]] = {
    "visibilityTimeoutSeconds": "VisibilityTimeout",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "maxMessageSize": "MaximumMessageSize",
    "delaySeconds": "DelaySeconds",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "policy": "Policy",
    "redrivePolicy": "RedrivePolicy",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "fifoQueue": "FifoQueue",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "fifoThroughputLimit": "FifoThroughputLimit",
}


def _fifo_name(context: Context) -> None:
    if context.inputs.get("fifoQueue") and not str(context.inputs["name"]).endswith(".fifo"):
        raise ResourceError("a FIFO queue's name ends with .fifo", path="name")


def _queue_update(context: Context) -> None:
    fixed = ("fifoQueue",)
    changed = {
        param: _text(context.inputs.get(prop, ""))
        for prop, param in _QUEUE_ATTRIBUTES.items()
        if prop not in fixed and context.changed(prop)
    }
    if changed:
        context.call("SetQueueAttributes", QueueUrl=context.id, Attributes=changed)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) else str(value)


def _topic_update(context: Context) -> None:
    names = {
        "displayName": "DisplayName",
        "kmsMasterKeyId": "KmsMasterKeyId",
        "policy": "Policy",
        "deliveryPolicy": "DeliveryPolicy",
        "tracingConfig": "TracingConfig",
    }
    for prop, param in names.items():
        if context.changed(prop):
            value = _text(context.inputs.get(prop, ""))
            context.call("SetTopicAttributes", TopicArn=context.id, AttributeName=param, AttributeValue=value)


def _remove_targets(context: Context) -> None:
    context.call(
        "RemoveTargets",
        Rule=context.inputs["rule"],
        EventBusName=context.inputs.get("eventBusName", "default"),
        Ids=[context.inputs["targetId"]],
    )


_RETENTION_CALL: Final = Call("PutRetentionPolicy", "retentionInDays", args={"logGroupName": "{name}"})


def _keep_forever(context: Context) -> None:
    if context.changed("retentionInDays") and not context.inputs.get("retentionInDays"):
        context.call("DeleteRetentionPolicy", logGroupName=context.id)


ROWS: Final[Mapping[str, Row]] = {
    "aws:cloudwatch/logGroup:LogGroup": Row(
        "logs",
        "CreateLogGroup",
        key={"logGroupName": "{name}"},
        rename={"name": "logGroupName"},
        ignore={"skipDestroy": "how the provider deletes", "deletionProtectionEnabled": "moto has no such attribute"},
        calls=(_RETENTION_CALL, Call("AssociateKmsKey", "kmsKeyId", on_create=False, store=True)),
        on_update=_keep_forever,
        replace="name logGroupClass",
        arn="arn:aws:logs:{region}:{account}:log-group:{name}",
        delete="DeleteLogGroup",
    ),
    "aws:cloudwatch/logMetricFilter:LogMetricFilter": Row(
        "logs",
        "PutMetricFilter",
        rename={
            "name": "filterName",
            "pattern": "filterPattern",
            "metricTransformation": "metricTransformations",
            "metricTransformation.name": "metricName",
            "metricTransformation.namespace": "metricNamespace",
            "metricTransformation.value": "metricValue",
        },
        links=_LOG_GROUP,
        upsert=True,
        replace="name logGroupName",
        delete="DeleteMetricFilter",
        delete_args={"logGroupName": "{logGroupName}", "filterName": "{name}"},
    ),
    "aws:cloudwatch/logResourcePolicy:LogResourcePolicy": Row(
        "logs",
        "PutResourcePolicy",
        id="{policyName}",
        upsert=True,
        replace="policyName",
        delete="DeleteResourcePolicy",
        delete_args={"policyName": "{policyName}"},
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Row(
        "cloudwatch",
        "PutMetricAlarm",
        rename={
            "name": "AlarmName",
            "metricQueries": "Metrics",
            "metricQueries.metric": "MetricStat",
            "metricQueries.metric.metricName": "Metric.MetricName",
            "metricQueries.metric.namespace": "Metric.Namespace",
            "metricQueries.metric.dimensions": "Metric.Dimensions",
        },
        upsert=True,
        replace="name",
        arn="arn:aws:cloudwatch:{region}:{account}:alarm:{name}",
        delete="DeleteAlarms",
        delete_args={"AlarmNames": ["{name}"]},
    ),
    "aws:cloudwatch/dashboard:Dashboard": Row(
        "cloudwatch",
        "PutDashboard",
        id="{dashboardName}",
        upsert=True,
        replace="dashboardName",
        outputs={"dashboardArn": "arn:aws:cloudwatch::{account}:dashboard/{dashboardName}"},
        delete="DeleteDashboards",
        delete_args={"DashboardNames": ["{dashboardName}"]},
    ),
    "aws:cloudwatch/eventRule:EventRule": Row(
        "events",
        "PutRule",
        rename={"isEnabled": lambda on: {"State": "ENABLED" if on else "DISABLED"}},
        ignore={"forceDestroy": "how the provider deletes"},
        upsert=True,
        replace="name eventBusName",
        arn="arn:aws:events:{region}:{account}:rule/{name}",
        delete="DeleteRule",
        delete_args={"Name": "{name}", "EventBusName": "{eventBusName}"},
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Row(
        "events",
        "PutTargets",
        id="{rule}-{targetId}",
        nest="Targets",
        auto_name="targetId",
        rename={
            "rule": "Rule",
            "targetId": "Targets.Id",
            "inputTransformer.inputPaths": "InputPathsMap",
            "sqsTarget": "Targets.SqsParameters",
            "runCommandTargets": "Targets.RunCommandParameters.RunCommandTargets",
            "ecsTarget": "Targets.EcsParameters",
        },
        ignore={"forceDestroy": "how the provider deletes"},
        links={"rule": "aws:cloudwatch/eventRule:EventRule"},
        upsert=True,
        replace="rule targetId eventBusName",
        before_delete=_remove_targets,
    ),
    "aws:sqs/queue:Queue": Row(
        "sqs",
        "CreateQueue",
        id="QueueUrl",
        key="QueueUrl",
        name_max=80,
        rename={prop: f"Attributes.{param}" for prop, param in _QUEUE_ATTRIBUTES.items()},
        after_create=_fifo_name,
        on_update=_queue_update,
        replace="name fifoQueue",
        arn="arn:aws:sqs:{region}:{account}:{name}",
        outputs={"url": "{id}"},
        delete="DeleteQueue",
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Row(
        "sqs",
        "SetQueueAttributes",
        id="{queueUrl}",
        rename={"policy": "Attributes.Policy"},
        links={"queueUrl": "aws:sqs/queue:Queue"},
        upsert=True,
        replace="queueUrl",
        delete="SetQueueAttributes",
        delete_args={"QueueUrl": "{queueUrl}", "Attributes": {"Policy": ""}},
    ),
    "aws:sns/topic:Topic": Row(
        "sns",
        "CreateTopic",
        id="TopicArn",
        key="TopicArn",
        nest="Attributes",
        on_update=_topic_update,
        replace="name fifoTopic",
        outputs={"arn": "{id}", "owner": "{account}"},
        delete="DeleteTopic",
    ),
    "aws:sns/topicPolicy:TopicPolicy": Row(
        "sns",
        "SetTopicAttributes",
        id="{arn}",
        args={"AttributeName": "Policy"},
        rename={"arn": "TopicArn", "policy": "AttributeValue"},
        upsert=True,
        replace="arn",
        outputs={"owner": "{account}"},
    ),
    "aws:sns/topicSubscription:TopicSubscription": Row(
        "sns",
        "Subscribe",
        id="SubscriptionArn",
        key="SubscriptionArn",
        rename={"topic": "TopicArn"},
        nest="Attributes",
        args={"ReturnSubscriptionArn": True},
        ignore=dict.fromkeys(("endpointAutoConfirms", "confirmationTimeoutInMinutes"), "how the provider waits"),
        replace="topic protocol endpoint",
        outputs={
            "arn": "{id}",
            "ownerId": "{account}",
            "pendingConfirmation": lambda c: c.inputs["protocol"] in ("email", "email-json", "http", "https"),
        },
        delete="Unsubscribe",
    ),
    "aws:cloudwatch/logDeliverySource:LogDeliverySource": Row(
        "logs",
        "PutDeliverySource",
        replace="name logType resourceArn",
        arn="arn:aws:logs:{region}:{account}:delivery-source:{name}",
        outputs={"service": lambda c: str(c.inputs["resourceArn"]).split(":")[2]},
        delete="DeleteDeliverySource",
        delete_args={"name": "{name}"},
    ),
    "aws:cloudwatch/logDeliveryDestination:LogDeliveryDestination": Row(
        "logs",
        "PutDeliveryDestination",
        key={"name": "{name}"},
        calls=(Call("PutDeliveryDestination", "deliveryDestinationConfiguration", on_create=False),),
        replace="name outputFormat",
        arn="arn:aws:logs:{region}:{account}:delivery-destination:{name}",
        outputs={"deliveryDestinationType": lambda _: "CWL"},
        delete="DeleteDeliveryDestination",
        delete_args={"name": "{name}"},
    ),
    "aws:cloudwatch/logDelivery:LogDelivery": Row(
        "logs",
        "CreateDelivery",
        id="delivery.id",
        key={"id": "{id}"},
        links={"deliverySourceName": "aws:cloudwatch/logDeliverySource:LogDeliverySource"},
        replace="deliverySourceName deliveryDestinationArn",
        arn="arn:aws:logs:{region}:{account}:delivery:{id}",
        delete="DeleteDelivery",
        auto_name="",
    ),
}
