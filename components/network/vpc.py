"""A VPC cut as its address plan says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from components.identity.role import ServiceRole, ServiceRoleArgs, Statement
from derive.network.addresses import AddressPlan, SubnetPlan


@dataclass(frozen=True)
class VpcArgs:
    """What a VPC is made of."""

    addresses: AddressPlan
    region: str
    nat_zones: int = 1
    """In how many zones a NAT gateway stands; the zones beyond use the first one."""
    flow_log_days: int = 30
    balanced: Mapping[str, str] = field(default_factory=dict)
    """Tag by tier for whoever looks for subnets for load balancers."""


class Vpc(pulumi.ComponentResource):
    """A VPC with its subnets, one route table per subnet, gateways, flow logs and an S3 gateway endpoint.

    Makes: VPC with DNS, an internet gateway, NAT gateways with Elastic IPs, subnets, route tables, a closed default
    security group, flow logs to CloudWatch, the S3 gateway endpoint on every route table.
    Costs: each NAT gateway and its Elastic IP by the hour and by traffic; flow logs by volume.
    """

    vpc_id: pulumi.Output[str]
    s3_prefix_list: pulumi.Output[str]
    subnets: dict[str, aws.ec2.Subnet]
    """By the name in the address plan."""
    route_tables: dict[str, aws.ec2.RouteTable]

    def __init__(self, name: str, args: VpcArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("wheelhouse:network:Vpc", name, None, opts)
        self._name, self._args = name, args
        self._children = pulumi.ResourceOptions(parent=self)
        self._vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.addresses.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": name},
            opts=self._children,
        )
        self.vpc_id = self._vpc.id
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=self.vpc_id,
            ingress=[],
            egress=[],
            tags={"Name": f"{name}-closed"},
            opts=self._children,
        )
        self.subnets = {subnet.name: self._create_subnet(subnet) for subnet in args.addresses.subnets}
        self.route_tables = {subnet.name: self._create_route_table(subnet) for subnet in args.addresses.subnets}
        self._create_default_routes()
        self.s3_prefix_list = self._create_s3_endpoint()
        self._create_flow_logs()
        self.register_outputs({"vpc_id": self.vpc_id, "s3_prefix_list": self.s3_prefix_list})

    def ids(self, tier: str) -> list[pulumi.Output[str]]:
        """Ids of a tier's subnets, one per zone."""
        return [self.subnets[subnet.name].id for subnet in self._args.addresses.tier(tier)]

    def _create_subnet(self, subnet: SubnetPlan) -> aws.ec2.Subnet:
        return aws.ec2.Subnet(
            f"{self._name}-{subnet.name}",
            vpc_id=self.vpc_id,
            cidr_block=subnet.cidr,
            availability_zone=subnet.zone,
            map_public_ip_on_launch=False,
            private_dns_hostname_type_on_launch="resource-name",
            enable_resource_name_dns_a_record_on_launch=True,
            tags={"Name": f"{self._name}-{subnet.name}", "Tier": subnet.tier, **self._tag(subnet.tier)},
            opts=self._children,
        )

    def _tag(self, tier: str) -> dict[str, str]:
        return {self._args.balanced[tier]: "1"} if tier in self._args.balanced else {}

    def _create_route_table(self, subnet: SubnetPlan) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(
            f"{self._name}-{subnet.name}-routes",
            vpc_id=self.vpc_id,
            tags={"Name": f"{self._name}-{subnet.name}"},
            opts=self._children,
        )
        aws.ec2.RouteTableAssociation(
            f"{self._name}-{subnet.name}-association",
            subnet_id=self.subnets[subnet.name].id,
            route_table_id=table.id,
            opts=self._children,
        )
        return table

    def _create_default_routes(self) -> None:
        plan = self._args.addresses
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self.vpc_id, tags={"Name": self._name}, opts=self._children
        )
        public = [subnet for subnet in plan.subnets if subnet.egress == "internet"]
        for subnet in public:
            aws.ec2.Route(
                f"{self._name}-{subnet.name}-default",
                route_table_id=self.route_tables[subnet.name].id,
                destination_cidr_block="0.0.0.0/0",
                gateway_id=gateway.id,
                opts=self._children,
            )
        private = [subnet for subnet in plan.subnets if subnet.egress == "nat"]
        if not private:
            return
        nats = {
            subnet.index: self._create_nat(subnet, gateway) for subnet in public if subnet.index < self._args.nat_zones
        }
        for subnet in private:
            aws.ec2.Route(
                f"{self._name}-{subnet.name}-default",
                route_table_id=self.route_tables[subnet.name].id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nats.get(subnet.index, nats[0]).id,
                opts=self._children,
            )

    def _create_nat(self, subnet: SubnetPlan, gateway: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        name = f"{self._name}-nat-{subnet.zone[-1]}"
        after_gateway = pulumi.ResourceOptions(parent=self, depends_on=[gateway])
        address = aws.ec2.Eip(f"{name}-ip", domain="vpc", tags={"Name": name}, opts=after_gateway)
        return aws.ec2.NatGateway(
            name,
            subnet_id=self.subnets[subnet.name].id,
            allocation_id=address.id,
            tags={"Name": name},
            opts=after_gateway,
        )

    def _create_s3_endpoint(self) -> pulumi.Output[str]:
        endpoint = aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self._args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in self.route_tables.values()],
            tags={"Name": f"{self._name}-s3"},
            opts=self._children,
        )
        return endpoint.prefix_list_id

    def _create_flow_logs(self) -> None:
        group = aws.cloudwatch.LogGroup(
            f"{self._name}-flow-logs", retention_in_days=self._args.flow_log_days, opts=self._children
        )
        actions = ("logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups", "logs:DescribeLogStreams")
        role = ServiceRole(
            f"{self._name}-flow-logs",
            ServiceRoleArgs(
                service="vpc-flow-logs.amazonaws.com",
                statements=[Statement(actions, [group.arn, pulumi.Output.concat(group.arn, ":*")])],
            ),
            self._children,
        )
        aws.ec2.FlowLog(
            f"{self._name}-flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags={"Name": self._name},
            opts=self._children,
        )
