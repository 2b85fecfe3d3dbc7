"""From a jar to an image on disk: cold (own layers not made yet) and warm (nothing changed)."""

import json
import pathlib
import shutil
import tarfile

JIB = "com.google.cloud.tools:jib-maven-plugin:3.5.2:buildTar"

COLD = "Build, cold: own layers not made yet"
WARM = "Build, warm: nothing changed"
BYTES = "Bytes of the layers above the base"


def measure(ground, report):
    shipit(ground, report)
    jib(ground, report)
    extracted(ground, report)


def shipit(ground, report):
    """Cold has an empty cache: the base's manifest and config come from the registry, too. `oci:` also writes the base's
    layer, as Jib's buildTar does; without it shipit leaves the base where it is until somebody needs it."""
    out = ground.work / "shipit"

    def build(cold, complete):
        def run():
            if cold:
                ground.folder("shipit-cache")
                ground.folder("shipit")
            out.mkdir(exist_ok=True)
            command = [ground.shipit, "build", "--jar", ground.jar, "--base", ground.base]
            if complete:
                shutil.rmtree(out / "image", ignore_errors=True)
                command += ["--output", f"oci:{out / 'image'}"]
            return ground.timed(command, cwd=out, env={"SHIPIT_CACHE_DIR": str(ground.work / "shipit-cache")})
        return run

    report.measure(COLD, "shipit", build(cold=True, complete=False))
    report.measure(WARM, "shipit", build(cold=False, complete=False))
    report.measure(COLD, "shipit, complete (--output oci:)", build(cold=True, complete=True))
    report.measure(WARM, "shipit, complete (--output oci:)", build(cold=False, complete=True))
    report.measure(BYTES, "shipit", lambda: layer_bytes(out / "image"), unit="bytes", runs=1)


def jib(ground, report):
    """Jib works in the project, with its classes compiled. Its base image stays in its cache throughout."""
    project = ground.work / "clinic"
    shutil.rmtree(project, ignore_errors=True)
    ground.take([ground.root / "lab/project", "clinic", project])
    ground.timed(["sh", "./mvnw", "--batch-mode", "package", "-DskipTests"], cwd=project)
    caches = [ground.folder("jib-base"), ground.folder("jib-application")]
    maven = ["sh", "./mvnw", "--batch-mode"]
    command = [
        *maven, JIB,
        f"-Djib.from.image={ground.base}", "-Djib.allowInsecureRegistries=true", "-DsendCredentialsOverHttp=true",
        "-Djib.to.image=clinic", f"-Djib.baseImageCache={caches[0]}", f"-Djib.applicationCache={caches[1]}",
    ]
    ground.timed(command, cwd=project)  # downloads the plugin and the base

    def cold():
        ground.folder("jib-application")
        return ground.timed(command, cwd=project)

    report.measure(COLD, "Jib buildTar", cold)
    report.measure(WARM, "Jib buildTar", lambda: ground.timed(command, cwd=project))
    report.measure(COLD, "(Maven alone: validate)", lambda: ground.timed([*maven, "validate"], cwd=project))

    def size():
        with tarfile.open(project / "target/jib-image.tar") as tar:
            manifest = json.load(tar.extractfile("manifest.json"))[0]
            return sum(tar.getmember(layer).size for layer in manifest["Layers"][1:])

    report.measure(BYTES, "Jib buildTar", size, unit="bytes", runs=1)


def extracted(ground, report):
    """What people do by hand: Spring Boot's own extraction, then a tool that adds folders to an image."""
    layers = ["dependencies", "spring-boot-loader", "snapshot-dependencies", "application"]
    extract = [
        "java", "-Djarmode=tools", "-jar", ground.jar, "extract", "--layers", "--destination", ground.work / "extracted",
    ]

    def umoci():
        shutil.rmtree(ground.work / "extracted", ignore_errors=True)
        image = ground.work / "umoci"
        shutil.rmtree(image, ignore_errors=True)
        seconds = ground.timed(extract, ["cp", "-R", ground.base_layout, image])
        for layer in layers:
            folder = ground.work / "extracted" / layer
            if folder.is_dir() and any(folder.iterdir()):
                seconds += ground.timed(["umoci", "insert", "--rootless", "--image", f"{image}:17", folder, "/app"])
        return seconds + ground.timed([
            "umoci", "config", "--image", f"{image}:17", "--config.workingdir", "/app", "--config.entrypoint", "java",
            "--config.entrypoint", "-jar", "--config.entrypoint", f"/app/{ground.jar.name}",
        ])

    def crane():
        shutil.rmtree(ground.work / "extracted", ignore_errors=True)
        seconds = ground.timed(extract)
        tars = []
        for layer in layers:
            folder = ground.work / "extracted" / layer
            if folder.is_dir() and any(folder.iterdir()):
                tars.append(ground.work / f"{layer}.tar")
                seconds += ground.timed(["tar", "--create", "--file", tars[-1], "--directory", folder, "."])
        appended = [word for tar in tars for word in ("--new_layer", tar)]
        return seconds + ground.timed([
            ground.crane, "append", "--insecure", "--base", ground.base, "--new_tag", "clinic:1",
            "--output", ground.work / "crane.tar", *appended,
        ])

    report.measure(COLD, "extract + umoci", umoci)
    report.measure(BYTES, "extract + umoci", lambda: layer_bytes(ground.work / "umoci"), unit="bytes", runs=1)
    report.measure(COLD, "extract + tar + crane append", crane)


def layer_bytes(layout):
    """Compressed bytes of all layers but the first, which is the base's."""
    layout = pathlib.Path(layout)

    def blob(descriptor):
        return json.loads((layout / "blobs" / descriptor["digest"].replace(":", "/")).read_text())

    index = json.loads((layout / "index.json").read_text())
    manifest = blob(index["manifests"][0])
    while "manifests" in manifest:
        manifest = blob(manifest["manifests"][0])
    return sum(layer["size"] for layer in manifest["layers"][1:])
