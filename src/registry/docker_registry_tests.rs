//! The client against the reference implementation, with a password (Debian's docker-registry and apache2-utils).

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::image::{Descriptor, MediaType, Platform};

struct Running {
    child: Child,
    host: String,
    folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn start() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let host = format!("127.0.0.1:{port}");
    let passwords = Command::new("htpasswd").args(["-Bbn", "ann", "hush"]).output().unwrap();
    std::fs::write(folder.path().join("htpasswd"), passwords.stdout).unwrap();
    let at = folder.path().display();
    let config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {at}/data}}}}\n\
         http: {{addr: '{host}'}}\nauth: {{htpasswd: {{realm: test, path: {at}/htpasswd}}}}\n"
    );
    std::fs::write(folder.path().join("config.yml"), config).unwrap();
    let child = Command::new("docker-registry")
        .arg("serve")
        .arg(folder.path().join("config.yml"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(&host).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Running { child, host, folder }
}

fn image(layer: &Descriptor, source: BlobSource, architecture: &str) -> PushImage {
    let config_bytes = format!(r#"{{"os":"linux","architecture":"{architecture}"}}"#).into_bytes();
    let config = Descriptor::of(MediaType::OCI_CONFIG, &config_bytes);
    let kind = MediaType::OCI_MANIFEST;
    let json = serde_json::json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let manifest_bytes = json.to_string().into_bytes();
    let mut manifest = Descriptor::of(kind, &manifest_bytes);
    manifest.platform = Some(format!("linux/{architecture}").parse().unwrap());
    let layers = vec![PushLayer { descriptor: layer.clone(), source }];
    PushImage { manifest, manifest_bytes, config, config_bytes, layers }
}

fn index(images: &[PushImage]) -> (Descriptor, Vec<u8>) {
    let list: Vec<_> = images.iter().map(|image| &image.manifest).collect();
    let json = serde_json::json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": list});
    let bytes = json.to_string().into_bytes();
    (Descriptor::of(MediaType::OCI_INDEX, &bytes), bytes)
}

#[tokio::test]
#[ignore = "needs docker-registry: run by make test"]
async fn an_index_is_pushed_once_pulled_back_and_mounted_elsewhere() {
    let registry = start().await;
    let bytes = vec![5; 1_000_000];
    let path = registry.folder.path().join("layer");
    std::fs::write(&path, &bytes).unwrap();
    let docker = registry.folder.path().join("docker.json");
    std::fs::write(&docker, format!(r#"{{"auths":{{"{}":{{"auth":"YW5uOmh1c2g="}}}}}}"#, registry.host)).unwrap();
    let sources: Vec<Arc<dyn CredentialSource>> = vec![Arc::new(DockerConfig::new(docker))];
    let client = Client::new(crate::http::client().unwrap(), ClientOptions::default(), sources);

    let layer = Descriptor::of(MediaType::OCI_LAYER_GZIP, &bytes);
    let first: Repository = format!("{}/one/app", registry.host).parse().unwrap();
    let images = |source: BlobSource| ["amd64", "arm64"].map(|name| image(&layer, source.clone(), name)).to_vec();
    let mut request = PushRequest {
        repository: first.clone(),
        tags: vec!["v1".to_owned(), "v2".to_owned()],
        if_tag_differs: IfTagDiffers::Refuse,
        images: images(BlobSource::File(path)),
        index: None,
    };
    request.index = Some(index(&request.images));
    let pushed = client.push(&request, &|_| {}).await.unwrap();
    assert_eq!((pushed.uploaded_blobs, pushed.present_blobs, pushed.tag_existed), (3, 0, false));
    assert!(client.push(&request, &|_| {}).await.unwrap().tag_existed);
    request.tags = vec!["v3".to_owned()];
    let retagged = client.push(&request, &|_| {}).await.unwrap();
    assert_eq!((retagged.uploaded_blobs, retagged.present_blobs, retagged.tag_existed), (0, 0, false));

    let named = first.tagged("v2").unwrap();
    let arm: Platform = "linux/arm64".parse().unwrap();
    let resolved = client.resolve(&named, &arm).await.unwrap();
    assert_eq!(resolved.reference.digest(), Some(pushed.digest));
    assert_eq!(resolved.config_bytes, request.images[1].config_bytes);
    let missing = client.resolve(&named, &"linux/s390x".parse().unwrap()).await.unwrap_err().to_string();
    assert!(missing.contains("it has linux/amd64, linux/arm64"), "{missing}");
    let mut got = Vec::new();
    client.pull_blob(&first, &layer, &mut got, &|_| {}).await.unwrap();
    assert!(got == bytes);

    request.repository = format!("{}/two", registry.host).parse().unwrap();
    request.images = images(BlobSource::Registry(first));
    let pushed = client.push(&request, &|_| {}).await.unwrap();
    assert_eq!((pushed.uploaded_blobs, pushed.mounted_blobs), (2, 1));
    let stranger = Client::new(crate::http::client().unwrap(), ClientOptions::default(), Vec::new());
    assert!(matches!(stranger.head(&named).await, Err(RegistryError::NoCredentials { .. })));
}
