"""Writes an OCI image layout with one layer: image_layout.py LAYER.tar LAYOUT TAG."""

import gzip
import hashlib
import json
import pathlib
import shutil
import sys

JAVA_HOME = "/usr/lib/jvm/java-17-openjdk-amd64"


def file_digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(tar, layout, tag):
    blobs = pathlib.Path(layout, "blobs", "sha256")
    blobs.mkdir(parents=True)

    def put(value):
        data = json.dumps(value, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    compressed = pathlib.Path(layout, "layer")
    with open(tar, "rb") as plain, open(compressed, "wb") as raw:
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed:
            shutil.copyfileobj(plain, packed, 1 << 20)
    digest, size = file_digest(compressed), compressed.stat().st_size
    compressed.rename(blobs / digest)

    config = put({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": [
                f"PATH={JAVA_HOME}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                f"JAVA_HOME={JAVA_HOME}",
                "LANG=C.UTF-8",
            ],
            "Labels": {"org.opencontainers.image.title": "jre"},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{file_digest(tar)}"]},
        "history": [{"created_by": "Debian packages of openjdk-17-jre-headless"}],
    })
    manifest = put({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": f"sha256:{digest}",
            "size": size,
        }],
    })
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            **manifest,
            "platform": {"architecture": "amd64", "os": "linux"},
            "annotations": {"org.opencontainers.image.ref.name": tag},
        }],
    }
    pathlib.Path(layout, "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    pathlib.Path(layout, "index.json").write_text(json.dumps(index))


if __name__ == "__main__":
    main(*sys.argv[1:])
