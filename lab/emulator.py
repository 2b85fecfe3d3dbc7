"""Starts ministack with one addition: a deployment behind a load balancer ends when its target is healthy.

ministack itself calls a task healthy one second after its container started, which is before a JVM has read its class
path: an application that fails a moment later would count as deployed, and nothing would be rolled back. Amazon ECS
waits for the target group's health checks, and so does this.
"""

import http.client
import threading
import time

from ministack.app import main
from ministack.core.responses import request_scope
from ministack.services import alb, ecs

GIVE_UP_SECONDS = 180

complete = ecs._schedule_service_deployment_completion


def health_check(svc_key):
    """Port and path of the health check, None for a service without a load balancer."""
    service = ecs._services.get(svc_key) or {}
    for balancer in service.get("loadBalancers") or []:
        group = alb._tgs.get(balancer.get("targetGroupArn")) or {}
        return balancer.get("containerPort", 80), group.get("HealthCheckPath", "/")
    return None


def answers(address, port, path):
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 400
    except OSError:
        return False
    finally:
        connection.close()


def complete_when_healthy(cluster, svc_key, account, region, healthy_task=None):
    with request_scope(account, region):
        check = health_check(svc_key)
    if healthy_task is None or check is None:
        complete(cluster, svc_key, account, region, healthy_task)
        return

    def watch():
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while healthy_task.get("lastStatus") == "RUNNING" and time.monotonic() < deadline:
            address = ecs._task_ip(healthy_task)
            if address and answers(address, *check):
                with request_scope(account, region):
                    complete(cluster, svc_key, account, region, healthy_task)
                return
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True, name="target-health").start()


ecs._schedule_service_deployment_completion = complete_when_healthy

if __name__ == "__main__":
    main()
