"""Samples of everything else."""

from __future__ import annotations

import json

from tests.sandbox.aws_samples.documents import Sample, document

SERVICES: list[Sample] = [
    (
        "aws:route53/zone:Zone",
        "inside",
        {"name": "internal.example.com", "vpcs": [{"vpcId": "${main}"}], "tags": {"a": "b"}},
    ),
    ("aws:route53/zone:Zone", "outside", {"name": "example.com", "forceDestroy": True}),
    (
        "aws:route53/record:Record",
        "api-name",
        {"zoneId": "${inside}", "name": "api", "type": "A", "ttl": 60, "records": ["10.0.0.5"]},
    ),
    (
        "aws:route53/record:Record",
        "apex",
        {
            "zoneId": "${outside}",
            "name": "example.com",
            "type": "A",
            "aliases": [{"name": "${alb.dnsName}", "zoneId": "${alb.zoneId}", "evaluateTargetHealth": True}],
        },
    ),
    (
        "aws:route53/vpcAssociationAuthorization:VpcAssociationAuthorization",
        "inside-peer-ok",
        {"zoneId": "${inside}", "vpcId": "${peer}"},
    ),
    ("aws:route53/zoneAssociation:ZoneAssociation", "inside-peer", {"zoneId": "${inside}", "vpcId": "${peer}"}),
    (
        "aws:route53/healthCheck:HealthCheck",
        "probe",
        {
            "type": "HTTPS",
            "fqdn": "a.example.com",
            "port": 443,
            "resourcePath": "/",
            "failureThreshold": 3,
            "requestInterval": 30,
        },
    ),
    ("aws:s3/bucket:Bucket", "data-bucket", {"forceDestroy": True, "tags": {"a": "b"}}),
    ("aws:s3/bucket:Bucket", "log-bucket", {"forceDestroy": True}),
    (
        "aws:s3/bucketPolicy:BucketPolicy",
        "log-policy",
        {
            "bucket": "${log-bucket}",
            "policy": document(
                "s3:PutObject", Principal={"Service": "logging.s3.amazonaws.com"}, Resource="${log-bucket.arn}/*"
            ),
        },
    ),
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        "versions",
        {"bucket": "${data-bucket}", "versioningConfiguration": {"status": "Enabled"}},
    ),
    (
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "sse",
        {
            "bucket": "${data-bucket}",
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "${key.arn}"},
                    "bucketKeyEnabled": True,
                }
            ],
        },
    ),
    (
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "private-bucket",
        {"bucket": "${data-bucket}", "blockPublicAcls": True, "blockPublicPolicy": True, "restrictPublicBuckets": True},
    ),
    (
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "ageing",
        {
            "bucket": "${data-bucket}",
            "rules": [
                {
                    "id": "x",
                    "status": "Enabled",
                    "filter": {"prefix": "a/"},
                    "expiration": {"days": 90},
                    "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
                    "noncurrentVersionExpiration": {"noncurrentDays": 30},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                }
            ],
        },
    ),
    ("aws:s3/bucket:Bucket", "copy-bucket", {"forceDestroy": True}),
    (
        "aws:s3/bucketVersioning:BucketVersioning",
        "copy-versions",
        {"bucket": "${copy-bucket}", "versioningConfiguration": {"status": "Enabled"}},
    ),
    (
        "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
        "copying",
        {
            "bucket": "${data-bucket}",
            "role": "${node.arn}",
            "rules": [
                {
                    "id": "everything",
                    "priority": 0,
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "deleteMarkerReplication": {"status": "Enabled"},
                    "sourceSelectionCriteria": {"sseKmsEncryptedObjects": {"status": "Enabled"}},
                    "destination": {
                        "bucket": "${copy-bucket.arn}",
                        "encryptionConfiguration": {"replicaKmsKeyId": "${key.arn}"},
                    },
                }
            ],
        },
    ),
    (
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "owner",
        {"bucket": "${data-bucket}", "rule": {"objectOwnership": "BucketOwnerPreferred"}},
    ),
    ("aws:s3/bucketAcl:BucketAcl", "acl", {"bucket": "${data-bucket}", "acl": "private"}),
    (
        "aws:s3/bucketLogging:BucketLogging",
        "access-log",
        {"bucket": "${data-bucket}", "targetBucket": "${log-bucket}", "targetPrefix": "x/"},
    ),
    (
        "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        "cors",
        {"bucket": "${data-bucket}", "corsRules": [{"allowedMethods": ["GET"], "allowedOrigins": ["*"]}]},
    ),
    (
        "aws:s3/bucketWebsiteConfiguration:BucketWebsiteConfiguration",
        "site",
        {"bucket": "${data-bucket}", "indexDocument": {"suffix": "index.html"}},
    ),
    ("aws:s3/bucketObjectv2:BucketObjectv2", "file", {"bucket": "${data-bucket}", "key": "a.txt", "content": "hello"}),
    ("aws:sns/topic:Topic", "alerts", {"kmsMasterKeyId": "alias/aws/sns"}),
    (
        "aws:sqs/queue:Queue",
        "jobs",
        {"visibilityTimeoutSeconds": 30, "messageRetentionSeconds": 3600, "sqsManagedSseEnabled": True},
    ),
    (
        "aws:sqs/queuePolicy:QueuePolicy",
        "jobs-policy",
        {"queueUrl": "${jobs}", "policy": document("sqs:SendMessage", Principal="*", Resource="${jobs.arn}")},
    ),
    (
        "aws:sns/topicSubscription:TopicSubscription",
        "fan",
        {"topic": "${alerts}", "protocol": "sqs", "endpoint": "${jobs.arn}"},
    ),
    (
        "aws:sns/topicPolicy:TopicPolicy",
        "alerts-policy",
        {"arn": "${alerts}", "policy": document("sns:Publish", Principal="*", Resource="${alerts.arn}")},
    ),
    (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        "hot",
        {
            "comparisonOperator": "GreaterThanThreshold",
            "evaluationPeriods": 2,
            "metricName": "CPUUtilization",
            "namespace": "AWS/EC2",
            "period": 60,
            "statistic": "Average",
            "threshold": 80,
            "alarmActions": ["${alerts.arn}"],
            "dimensions": {"AutoScalingGroupName": "${nodes}"},
            "tags": {"a": "b"},
        },
    ),
    ("aws:cloudwatch/eventRule:EventRule", "spot", {"eventPattern": json.dumps({"source": ["aws.ec2"]})}),
    ("aws:cloudwatch/eventTarget:EventTarget", "spot-jobs", {"rule": "${spot}", "arn": "${jobs.arn}"}),
    ("aws:cloudwatch/dashboard:Dashboard", "board", {"dashboardName": "d", "dashboardBody": '{"widgets":[]}'}),
    (
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        "errors",
        {
            "logGroupName": "${flows}",
            "pattern": "ERROR",
            "metricTransformation": {"name": "e", "namespace": "n", "value": "1"},
        },
    ),
    (
        "aws:cloudwatch/logResourcePolicy:LogResourcePolicy",
        "log-writers",
        {
            "policyName": "writers",
            "policyDocument": document("logs:PutLogEvents", Principal={"Service": "es.amazonaws.com"}, Resource="*"),
        },
    ),
    (
        "aws:ssm/parameter:Parameter",
        "setting",
        {"name": "/a/b", "type": "SecureString", "value": "x", "keyId": "${key}"},
    ),
    (
        "aws:ssm/document:Document",
        "runbook",
        {
            "documentType": "Command",
            "content": json.dumps({"schemaVersion": "2.2", "description": "d", "mainSteps": []}),
        },
    ),
    (
        "aws:ssm/association:Association",
        "daily",
        {
            "name": "${runbook}",
            "targets": [{"key": "tag:a", "values": ["b"]}],
            "scheduleExpression": "rate(1 day)",
            "parameters": {"commands": "ls"},
        },
    ),
    (
        "aws:dlm/lifecyclePolicy:LifecyclePolicy",
        "snapshots",
        {
            "description": "daily",
            "executionRoleArn": "${node.arn}",
            "policyDetails": {
                "resourceTypes": ["VOLUME"],
                "targetTags": {"Backup": "true"},
                "schedules": [
                    {
                        "name": "daily",
                        "createRule": {"interval": 24, "intervalUnit": "HOURS", "times": "03:00"},
                        "retainRule": {"count": 7},
                        "copyTags": True,
                        "tagsToAdd": {"a": "b"},
                    }
                ],
            },
        },
    ),
    ("aws:backup/vault:Vault", "vault", {"kmsKeyArn": "${key.arn}"}),
    (
        "aws:backup/plan:Plan",
        "plan",
        {
            "rules": [
                {
                    "ruleName": "daily",
                    "targetVaultName": "${vault}",
                    "schedule": "cron(0 3 * * ? *)",
                    "lifecycle": {"deleteAfter": 30},
                }
            ]
        },
    ),
    (
        "aws:backup/selection:Selection",
        "selection",
        {
            "planId": "${plan}",
            "iamRoleArn": "${node.arn}",
            "selectionTags": [{"type": "STRINGEQUALS", "key": "Backup", "value": "true"}],
        },
    ),
]
