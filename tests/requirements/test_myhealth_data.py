"""myHealth's database, its users, and the secrets that everybody comes to by the account's store."""

from __future__ import annotations

import json

import pytest

from tests.requirements.myhealth import environment
from tests.requirements.registered import Registered
from tests.requirements.registered import environment as variables

FOUR = ("oura-api-key", "db-credentials", "jwt-secret", "grafana-admin")


@pytest.mark.rows(
    "MH-DAT-01", "MH-DAT-02", "MH-DAT-03", "MH-DAT-04", "MH-DAT-05", "MH-DAT-06", "MH-DAT-10", "MH-BKP-03"
)
def test_the_database_is_as_large_and_as_safe_as_its_environment_asks(myhealth: Registered) -> None:
    found, prod = myhealth.one("rds.Instance").inputs, environment(myhealth) == "prod"
    major, minor = map(int, found["engineVersion"].split("."))
    assert (found["engine"], major, minor >= 5) == ("postgres", 17, True)
    assert (found["instanceClass"], found["multiAz"]) == (("db.r6g.large", True) if prod else ("db.t3.micro", False))
    assert found["backupRetentionPeriod"] == 7
    assert (found["storageEncrypted"], found["publiclyAccessible"], bool(found["kmsKeyId"])) == (True, False, True)
    assert (found["monitoringInterval"], bool(found["monitoringRoleArn"])) == (60, True)
    assert (found["dbName"], found["port"], found["storageType"]) == ("myhealth", 5432, "gp3")
    assert (found["allocatedStorage"], found["maxAllocatedStorage"]) == ((100, 500) if prod else (20, 100))
    assert set(found["enabledCloudwatchLogsExports"]) == {"postgresql", "upgrade"}
    assert (found["deletionProtection"], found["skipFinalSnapshot"]) == (prod, not prod)
    assert bool(found.get("finalSnapshotIdentifier")) == prod
    subnets = {item.id: item.inputs for item in myhealth.all("ec2.Subnet")}
    used = [subnets[name] for name in myhealth.one("rds.SubnetGroup").inputs["subnetIds"]]
    assert {item["tags"]["Tier"] for item in used} == {"private"}
    assert len({item["availabilityZone"] for item in used}) == 3


@pytest.mark.rows("MH-DAT-07")
def test_the_database_refuses_who_does_not_encrypt(myhealth: Registered) -> None:
    group = myhealth.one("rds.ParameterGroup").inputs
    assert group["family"] == "postgres17"
    assert {item["name"]: item["value"] for item in group["parameters"]}["rds.force_ssl"] == "1"


@pytest.mark.rows("MH-DAT-08")
def test_migrations_make_the_schema_before_the_processor_starts(myhealth: Registered) -> None:
    files = myhealth.manifest("ConfigMap", "myhealth", "data-processor-migrations")["data"]
    assert list(files) == ["001_initial_schema.sql", "002_add_sleep_metrics.sql", "003_add_activity_metrics.sql"]
    text = "".join(files.values())
    tables = {"sleep_metrics", "activity_metrics", "readiness_metrics"}
    tables |= {"users", "raw_data"} if environment(myhealth) == "prod" else set()
    assert {line.split()[5] for line in text.splitlines() if line.startswith("CREATE TABLE")} == tables
    if environment(myhealth) == "prod":
        assert text.count("user_id BIGINT NOT NULL REFERENCES users") == 4
        assert "oura_user_id" in text
        assert "payload JSONB" in text
    else:
        assert text.count("date DATE NOT NULL UNIQUE") == 3
    (first,) = myhealth.spec("Deployment", "myhealth", "data-processor")["template"]["spec"]["initContainers"]
    assert variables(first)["PGUSER"] == ("data-processor-migrations-myhealth-credentials", "username")


@pytest.mark.rows("MH-DAT-09")
def test_all_pools_together_fit_the_database(myhealth: Registered) -> None:
    pools = {}
    for kind, name, template in myhealth.pods():
        if name.startswith("myhealth/") and kind in ("Deployment", "Rollout"):
            pools[name] = int(variables(template["spec"]["containers"][0])["DB_POOL_MAX"])
    whole = 5 * pools["myhealth/data-processor"] + 10 * pools["myhealth/api-service"]
    assert whole <= {"dev": 80, "prod": 1600}[environment(myhealth)]


@pytest.mark.rows("MH-BEY-11")
def test_each_user_of_the_database_has_its_own_rights(myhealth: Registered) -> None:
    sql = myhealth.manifest("ConfigMap", "myhealth", "myhealth-roles")["data"]["roles.sql"]
    assert 'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "myhealth_writer";' in sql
    assert 'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "myhealth_reader";' in sql
    users = {
        name: item["spec"]["target"]["template"]["data"]["username"]
        for name, item in myhealth.manifests("ExternalSecret").items()
        if "username" in item["spec"]["target"].get("template", {}).get("data", {})
    }
    assert users == {
        "myhealth/data-processor-myhealth-credentials": "myhealth_writer",
        "myhealth/api-service-myhealth-credentials": "myhealth_reader",
        "myhealth/data-processor-migrations-myhealth-credentials": "myhealth_owner",
        "monitoring/grafana-database": "myhealth_reader",
        "monitoring/myhealth-monitoring": "monitoring",
    }


@pytest.mark.rows("MH-CFG-01", "MH-CFG-02", "MH-BEY-12")
def test_five_secrets_stand_in_the_account_under_a_key_that_is_rotated(myhealth: Registered) -> None:
    prefix = f"myhealth/{environment(myhealth)}/"
    secrets = {item.inputs["name"].removeprefix(prefix): item for item in myhealth.all("secretsmanager.Secret")}
    assert {*FOUR, "api-key"} <= set(secrets)
    valued = {item.inputs["secretId"] for item in myhealth.all("secretsmanager.SecretVersion")}
    keys = {item.outputs["arn"]: item.inputs for item in myhealth.all("kms.Key")}
    for secret in secrets.values():
        assert secret.inputs["name"].startswith(prefix)
        assert {secret.id, secret.outputs["arn"]} & valued
        assert keys[secret.inputs["kmsKeyId"]]["enableKeyRotation"] is True


@pytest.mark.rows("MH-CFG-04", "MH-OBS-13")
def test_the_cluster_copies_its_secrets_from_there_by_an_account(myhealth: Registered) -> None:
    (store,) = myhealth.manifests("ClusterSecretStore").values()
    assert store["apiVersion"] == "external-secrets.io/v1"
    aws = store["spec"]["provider"]["aws"]
    assert (aws["service"], aws["region"]) == ("SecretsManager", "us-east-1")
    assert aws["auth"] == {"jwt": {"serviceAccountRef": {"name": "external-secrets", "namespace": "external-secrets"}}}
    copied = myhealth.manifests("ExternalSecret")
    sources = {item["remoteRef"]["key"] for found in copied.values() for item in found["spec"]["data"]}
    assert {f"myhealth/{environment(myhealth)}/{name}" for name in FOUR} <= sources
    assert {found["spec"]["refreshInterval"] for found in copied.values()} == {"1h"}
    admin = myhealth.charts["kube-prometheus-stack"].values["grafana"]["admin"]
    assert admin["existingSecret"] == "grafana-admin"
    assert "monitoring/grafana-admin" in copied


@pytest.mark.rows("MH-CFG-05", "MH-CFG-06")
def test_who_reads_secrets_reads_his_own_only(myhealth: Registered) -> None:
    rights = {item.name: json.loads(item.inputs["policy"])["Statement"] for item in myhealth.all("iam.RolePolicy")}
    arn = f"arn:aws:secretsmanager:us-east-1:*:secret:myhealth/{environment(myhealth)}/"
    (reader,) = [found for name, found in rights.items() if "-external-secrets-" in name]
    (collector,) = [found for name, found in rights.items() if "-oura-collector-" in name]
    for found, resource, actions in (
        (reader, f"{arn}*", {"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}),
        (collector, f"{arn}oura-api-key-??????", {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"}),
    ):
        (secrets,) = [item for item in found if "secretsmanager:GetSecretValue" in item["Action"]]
        assert (set(secrets["Action"]), secrets["Resource"]) == (actions, [resource])
    account = myhealth.manifest("ServiceAccount", "myhealth", "oura-collector")
    assert account["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].startswith("arn:aws:iam::")
