"""From disk to a registry: cold (the registry has nothing) and again (the registry has everything)."""

import contextlib
import shutil
import socket
import subprocess
import time

from machine import Failed

COLD = "Push, cold: the registry has nothing"
AGAIN = "Push again: the registry has everything"
PEAK = "Peak memory of a cold push"


@contextlib.contextmanager
def registry(ground):
    """An empty registry of its own."""
    folder = ground.folder("registry")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config.yml").write_text(
        "version: 0.1\nlog: { level: error }\n"
        f"storage: {{ filesystem: {{ rootdirectory: {folder}/images }} }}\n"
        f'http: {{ addr: "127.0.0.1:{port}" }}\n'
    )
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if time.monotonic() > deadline:
                raise OSError("docker-registry does not answer")
            time.sleep(0.02)
        yield f"127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def measure(ground, report):
    """The peers push a complete image from an OCI layout. shipit pushes what it built from the same jar: its own layers
    from disk, the base's straight from the base's registry."""
    layout = ground.work / "to-push"
    shutil.rmtree(layout, ignore_errors=True)
    shutil.copytree(ground.base_layout, layout)
    tree = ground.folder("tree")
    ground.timed(["java", "-Djarmode=tools", "-jar", ground.jar, "extract", "--destination", tree])
    ground.timed(["umoci", "insert", "--rootless", "--image", f"{layout}:17", tree / "lib", "/app/lib"])
    ground.timed(["umoci", "insert", "--rootless", "--image", f"{layout}:17", tree / ground.jar.name, "/app/clinic.jar"])
    ground.timed(["umoci", "gc", "--layout", layout])
    # crane wants a layout with one image and no name.
    single = ground.work / "to-push-single"
    shutil.rmtree(single, ignore_errors=True)
    ground.timed(["skopeo", "copy", "--quiet", f"oci:{layout}:17", f"oci:{single}"])

    project = ground.folder("pushed-by-shipit")
    env = {"SHIPIT_CACHE_DIR": str(ground.folder("push-cache"))}
    ground.timed([ground.shipit, "build", "--jar", ground.jar, "--base", ground.base], cwd=project, env=env)

    contestants = {
        "shipit": lambda host: [ground.shipit, "push", "--no-deploy", "--repository", f"{host}/clinic"],
        "crane": lambda host: [ground.crane, "push", "--insecure", single, f"{host}/clinic:1"],
        "oras": lambda host: [
            ground.oras, "cp", "--from-oci-layout", "--to-plain-http", f"{layout}:17", f"{host}/clinic:1"],
        "skopeo": lambda host: [
            "skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}:17", f"docker://{host}/clinic:1"],
    }
    for name, command in contestants.items():
        def cold():
            with registry(ground) as host:
                return ground.timed(command(host), cwd=project, env=env)

        def peak():
            with registry(ground) as host:
                return ground.peak(*command(host), cwd=project, env=env)

        report.measure(COLD, name, cold)
        with registry(ground) as host:
            def again():
                return ground.timed(command(host), cwd=project, env=env)

            with contextlib.suppress(Failed):  # what fails now fails below, too, and is told there
                again()
            report.measure(AGAIN, name, again)
        report.measure(PEAK, name, peak, unit="bytes", runs=1)
