"""Peak memory of a build, of the real jar and of a synthetic one of 1 GB: it must not grow with the jar."""

import io
import os
import zipfile

JARS = 100
JAR_BYTES = 10_000_000
PEAK = "Peak memory of a cold build"
BIG = "shipit, a jar of 1 GB"


def measure(ground, report):
    big = ground.work / "big.jar"
    synthetic_jar(big)

    def peak(jar):
        def run():
            cache = ground.folder("memory-cache")
            out = ground.folder("memory")
            return ground.peak(
                ground.shipit, "build", "--jar", jar, "--base", ground.base,
                cwd=out, env={"SHIPIT_CACHE_DIR": str(cache)})
        return run

    report.measure(PEAK, "shipit", peak(ground.jar), unit="bytes", runs=1)
    report.measure(PEAK, BIG, peak(big), unit="bytes", runs=1)
    big.unlink()


def library():
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as jar:
        for part in range(10):
            jar.writestr(f"part-{part}.bin", os.urandom(JAR_BYTES // 10))
    return archive.getvalue()


def synthetic_jar(path, jars=JARS):
    """A Spring Boot jar with the layout of a real one, whose libraries hold bytes that do not compress."""
    names = [f"library-{number}.jar" for number in range(jars)]
    loader = "org/springframework/boot/loader/launch/JarLauncher.class"
    application = "BOOT-INF/classes/org/example/Application.class"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as jar:
        jar.writestr("META-INF/MANIFEST.MF", "\r\n".join([
            "Manifest-Version: 1.0",
            "Main-Class: org.springframework.boot.loader.launch.JarLauncher",
            "Start-Class: org.example.Application",
            "Spring-Boot-Version: 4.1.2",
            "Spring-Boot-Classes: BOOT-INF/classes/",
            "Spring-Boot-Lib: BOOT-INF/lib/",
            "Spring-Boot-Classpath-Index: BOOT-INF/classpath.idx",
            "Spring-Boot-Layers-Index: BOOT-INF/layers.idx",
            "Build-Jdk-Spec: 17",
            "", "",
        ]))
        jar.writestr(loader, b"\xca\xfe\xba\xbe\0\0\0\x3d")
        jar.writestr(application, b"\xca\xfe\xba\xbe\0\0\0\x3d" + os.urandom(1000))
        # To deflate a gigabyte of noise takes half a minute; a few libraries under many names weigh the same.
        libraries = [library() for _ in range(5)]
        for number, name in enumerate(names):
            jar.writestr(f"BOOT-INF/lib/{name}", libraries[number % len(libraries)])
        jar.writestr("BOOT-INF/classpath.idx", "".join(f'- "BOOT-INF/lib/{name}"\n' for name in names))
        jar.writestr("BOOT-INF/layers.idx", "\n".join([
            '- "dependencies":', '  - "BOOT-INF/lib/"',
            '- "spring-boot-loader":', '  - "org/"',
            '- "snapshot-dependencies":',
            '- "application":', '  - "BOOT-INF/classes/"', '  - "BOOT-INF/classpath.idx"',
            '  - "BOOT-INF/layers.idx"', '  - "META-INF/"', "",
        ]))
