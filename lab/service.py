"""Prepares and looks at an ECS service in the lab, the way its owner would have done before shipit comes.

  service create       cluster, load balancer, target group, log group, first task definition and service
  service repository   an ECR repository
  service wait         until the deployment has ended, the wanted tasks run, and the address answers (--url)

Addresses and keys come from the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_REGION). `create` prints one
JSON object: cluster, service, container, taskDefinition, url.
"""

import argparse
import json
import os
import sys
import time
import urllib.request

import boto3
from botocore.config import Config

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ["AWS_REGION"]


def client(name):
    return boto3.client(
        name,
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "lab"),
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2}),
    )


def network():
    """The subnets and the security group of the account's default network."""
    ec2 = client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets(Filters=of_vpc)["Subnets"]]
    groups = [group["GroupId"] for group in ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]]
    return vpc, subnets, groups[:1]


def load_balancer(name, port, health, vpc, subnets, groups):
    elb = client("elbv2")
    balancer = elb.create_load_balancer(Name=name, Subnets=subnets, SecurityGroups=groups)["LoadBalancers"][0]
    target_group = elb.create_target_group(
        Name=name,
        Protocol="HTTP",
        Port=port,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckPath=health,
        HealthCheckIntervalSeconds=5,
        HealthyThresholdCount=2,
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
    )
    return target_group


def create(options):
    name, cluster = options.name, options.cluster
    vpc, subnets, groups = network()
    target_group = load_balancer(name, options.port, options.health, vpc, subnets, groups)
    client("logs").create_log_group(logGroupName=f"/ecs/{name}")

    ecs = client("ecs")
    ecs.create_cluster(clusterName=cluster)
    revision = ecs.register_task_definition(
        family=name,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu=options.cpu,
        memory=options.memory,
        executionRoleArn="arn:aws:iam::000000000000:role/lab-execution",
        runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        containerDefinitions=[{
            "name": options.container,
            "image": options.image,
            "essential": True,
            "portMappings": [{"containerPort": options.port, "protocol": "tcp"}],
            "environment": [{"name": "SERVER_PORT", "value": str(options.port)}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": f"/ecs/{name}",
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": name,
                },
            },
        }],
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.create_service(
        cluster=cluster,
        serviceName=name,
        taskDefinition=revision,
        desiredCount=options.count,
        launchType="FARGATE",
        deploymentConfiguration={
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "minimumHealthyPercent": 100,
            "maximumPercent": 200,
        },
        healthCheckGracePeriodSeconds=60,
        networkConfiguration={
            "awsvpcConfiguration": {"subnets": subnets, "securityGroups": groups, "assignPublicIp": "ENABLED"},
        },
        loadBalancers=[{
            "targetGroupArn": target_group,
            "containerName": options.container,
            "containerPort": options.port,
        }],
    )
    print(json.dumps({
        "cluster": cluster,
        "service": name,
        "container": options.container,
        "taskDefinition": revision,
        "url": f"{ENDPOINT}/_alb/{name}/",
    }))


def repository(options):
    client("ecr").create_repository(repositoryName=options.name)


def answers(url):
    if url is None:
        return True
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def wait(options):
    ecs = client("ecs")
    deadline = time.monotonic() + options.seconds
    while True:
        service = ecs.describe_services(cluster=options.cluster, services=[options.name])["services"][0]
        primary = next(one for one in service["deployments"] if one["status"] == "PRIMARY")
        state = f"{service['runningCount']} of {service['desiredCount']} running, {primary.get('rolloutState')}"
        full = service["runningCount"] == service["desiredCount"]
        if primary.get("rolloutState") == "COMPLETED" and full and answers(options.url):
            return
        if primary.get("rolloutState") == "FAILED":
            sys.exit(f"lab: {options.name} failed: {primary.get('rolloutStateReason')}")
        if time.monotonic() > deadline:
            sys.exit(f"lab: {options.name} is not steady after {options.seconds} s: {state}")
        time.sleep(0.2)


def main():
    parser = argparse.ArgumentParser(prog="lab/service", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)

    verb = verbs.add_parser("create")
    verb.set_defaults(run=create)
    verb.add_argument("--cluster", required=True)
    verb.add_argument("--name", required=True)
    verb.add_argument("--container", required=True)
    verb.add_argument("--image", required=True)
    verb.add_argument("--port", type=int, default=8080)
    verb.add_argument("--health", default="/")
    verb.add_argument("--count", type=int, default=1)
    verb.add_argument("--cpu", default="512")
    verb.add_argument("--memory", default="1024")

    verb = verbs.add_parser("repository")
    verb.set_defaults(run=repository)
    verb.add_argument("--name", required=True)

    verb = verbs.add_parser("wait")
    verb.set_defaults(run=wait)
    verb.add_argument("--cluster", required=True)
    verb.add_argument("--name", required=True)
    verb.add_argument("--seconds", type=int, default=120)
    verb.add_argument("--url", help="wait until this address answers, too")

    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
