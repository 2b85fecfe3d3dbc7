//! The client against a registry that misbehaves.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::fake_registry::{Answer, FakeRegistry, Seen, error, status};
use super::*;
use crate::image::{Descriptor, Digest, MediaType};

struct Fixed(AtomicUsize);

impl CredentialSource for Fixed {
    fn credentials<'a>(
        &'a self,
        _registry: &'a Registry,
        refresh: bool,
    ) -> BoxFuture<'a, Result<Option<Credentials>, CredentialError>> {
        let generation = self.0.fetch_add(usize::from(refresh), Ordering::SeqCst) + usize::from(refresh);
        let password = format!("p{generation}");
        Box::pin(async { Ok(Some(Credentials::Basic { username: "u".to_owned(), password })) })
    }

    fn name(&self) -> String {
        "test".to_owned()
    }

    fn is_refreshable(&self) -> bool {
        true
    }
}

fn client() -> Client {
    let retry = RetryPolicy { attempts: 4, first_delay: Duration::from_millis(5), ..RetryPolicy::default() };
    let options = ClientOptions { retry, idle_timeout: Duration::from_millis(400), ..ClientOptions::default() };
    Client::new(crate::http::client().unwrap(), options, vec![Arc::new(Fixed(AtomicUsize::new(0)))])
}

fn blob_of(bytes: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::OCI_LAYER_GZIP, bytes)
}

fn repository(fake: &FakeRegistry) -> Repository {
    format!("{}/app", fake.host).parse().unwrap()
}

fn image(layers: Vec<PushLayer>) -> PushImage {
    let config_bytes = br#"{"os":"linux","architecture":"amd64"}"#.to_vec();
    let config = Descriptor::of(MediaType::OCI_CONFIG, &config_bytes);
    let listed: Vec<_> = layers.iter().map(|layer| &layer.descriptor).collect();
    let json = serde_json::json!({"schemaVersion": 2, "config": config, "layers": listed});
    let manifest_bytes = json.to_string().into_bytes();
    let manifest = Descriptor::of(MediaType::OCI_MANIFEST, &manifest_bytes);
    PushImage { manifest, manifest_bytes, config, config_bytes, layers }
}

fn file_layer(path: &Path, bytes: &[u8]) -> PushLayer {
    std::fs::write(path, bytes).unwrap();
    PushLayer { descriptor: blob_of(bytes), source: BlobSource::File(path.to_owned()) }
}

fn request(repository: Repository, layers: Vec<PushLayer>) -> PushRequest {
    PushRequest {
        repository,
        tags: vec!["v1".to_owned()],
        if_tag_differs: IfTagDiffers::Refuse,
        images: vec![image(layers)],
        index: None,
    }
}

/// What a well-behaved, empty registry says.
fn empty(seen: &Seen) -> Answer {
    match &*seen.method {
        "POST" => Answer::Http(202, vec![("location", "/v2/app/blobs/uploads/1?state=a".to_owned())], Vec::new()),
        "PUT" if seen.path.contains("/manifests/") => {
            let digest = Digest::of(&seen.body).to_string();
            Answer::Http(201, vec![("docker-content-digest", digest)], Vec::new())
        }
        "PUT" | "DELETE" => status(201),
        _ => status(404),
    }
}

fn tagged(digest: Digest) -> Answer {
    let kind = MediaType::OCI_MANIFEST.to_string();
    let length = ("content-length", "9".to_owned());
    Answer::Http(200, vec![("docker-content-digest", digest.to_string()), ("content-type", kind), length], Vec::new())
}

#[tokio::test]
async fn two_503_answers_and_then_a_good_one_are_a_success() {
    let bytes = b"blob".as_slice();
    let fake = FakeRegistry::start(move |_, before| match before {
        0 => Answer::Http(503, vec![("retry-after", "0".to_owned())], Vec::new()),
        1 => status(503),
        _ => Answer::Http(200, Vec::new(), bytes.to_vec()),
    });
    let mut got = Vec::new();
    client().pull_blob(&repository(&fake), &blob_of(bytes), &mut got, &|_| {}).await.unwrap();
    assert_eq!((got.as_slice(), fake.requests().len()), (bytes, 3));
}

#[tokio::test]
async fn a_silent_registry_ends_in_an_error_within_bounded_time() {
    let fake = FakeRegistry::start(|_, _| Answer::Hang);
    let begun = Instant::now();
    let found = client().head(&repository(&fake).tagged("v1").unwrap()).await;
    assert!(found.unwrap_err().to_string().contains("was silent for 0.4 s (tried 4 times)"));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let bytes = b"blob".as_slice();
    let store = FakeRegistry::start(move |_, _| Answer::Http(200, Vec::new(), bytes.to_vec()));
    let there = format!("http://{}/signed?x=1", store.host);
    let fake = FakeRegistry::start(move |seen, _| match seen.header("authorization") {
        None => Answer::Http(401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], Vec::new()),
        Some(_) => Answer::Http(307, vec![("location", there.clone())], Vec::new()),
    });
    let mut got = Vec::new();
    client().pull_blob(&repository(&fake), &blob_of(bytes), &mut got, &|_| {}).await.unwrap();
    let seen = store.seen.lock().unwrap();
    assert_eq!((got.as_slice(), seen.len(), seen[0].header("authorization")), (bytes, 1, None));
}

#[tokio::test]
async fn a_pull_that_breaks_off_is_resumed_and_a_wrong_one_is_refused() {
    let fake = FakeRegistry::start(|seen, _| match seen.header("range") {
        None => Answer::Short(8, b"half".to_vec()),
        Some("bytes=4-") => Answer::Http(206, vec![("content-range", "bytes 4-7/8".to_owned())], b"rest".to_vec()),
        Some(_) => status(416),
    });
    let (client, mut got) = (client(), Vec::new());
    client.pull_blob(&repository(&fake), &blob_of(b"halfrest"), &mut got, &|_| {}).await.unwrap();
    assert_eq!(got, b"halfrest");
    let wrong = client.pull_blob(&repository(&fake), &blob_of(b"halfREST"), &mut Vec::new(), &|_| {}).await;
    assert!(matches!(wrong, Err(RegistryError::Damaged { .. })), "{wrong:?}");
}

#[tokio::test]
async fn an_expired_token_that_is_answered_with_403_is_renewed_once() {
    let fake = FakeRegistry::start(|seen, _| match seen.header("authorization") {
        None => Answer::Http(401, vec![("www-authenticate", "Basic realm=\"x\"".to_owned())], Vec::new()),
        // u:p1
        Some("Basic dTpwMQ==") => tagged(Digest::of(b"x")),
        Some(_) => error(403, "DENIED", "Your authorization token has expired"),
    });
    let found = client().head(&repository(&fake).tagged("v1").unwrap()).await.unwrap();
    assert_eq!(found.map(|found| found.digest), Some(Digest::of(b"x")));
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn an_upload_that_is_reset_or_answered_416_begins_a_new_session() {
    let folder = tempfile::tempdir().unwrap();
    for failure in [|| Answer::Reset, || error(416, "BLOB_UPLOAD_INVALID", "again")] {
        let failed = Mutex::new(false);
        let fake = FakeRegistry::start(move |seen, _| {
            let upload = seen.method == "PUT" && seen.path.contains("uploads");
            if upload && !std::mem::replace(&mut *failed.lock().unwrap(), true) {
                return failure();
            }
            empty(seen)
        });
        let layer = file_layer(&folder.path().join("layer"), &[7; 600_000]);
        let pushed = client().push(&request(repository(&fake), vec![layer]), &|_| {}).await.unwrap();
        assert_eq!(pushed.uploaded_blobs, 2);
        let opened = fake.requests().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(opened, 3, "{:?}", fake.requests());
    }
}

#[tokio::test]
async fn an_image_that_is_there_costs_one_question() {
    let wanted = image(Vec::new()).manifest.digest;
    let fake = FakeRegistry::start(move |_, _| tagged(wanted));
    let pushed = client().push(&request(repository(&fake), Vec::new()), &|_| {}).await.unwrap();
    assert!(pushed.tag_existed && pushed.digest == wanted);
    assert_eq!(fake.requests(), ["HEAD /v2/app/manifests/v1"]);
}

#[tokio::test]
async fn a_tag_with_another_digest_is_told_before_anything_is_sent() {
    let fake = FakeRegistry::start(|_, _| tagged(Digest::of(b"other")));
    let error = client().push(&request(repository(&fake), Vec::new()), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PushError::TagTaken { .. }), "{error}");
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn an_immutable_tag_that_was_put_meanwhile_counts_by_its_digest() {
    let wanted = image(Vec::new()).manifest.digest;
    for (digest, success) in [(wanted, true), (Digest::of(b"other"), false)] {
        let fake = FakeRegistry::start(move |seen, before| match (&*seen.method, &*seen.path) {
            ("HEAD", "/v2/app/manifests/v1") if before > 0 => tagged(digest),
            ("PUT", "/v2/app/manifests/v1") => error(400, "TAG_INVALID", "the tag is immutable"),
            _ => empty(seen),
        });
        let pushed = client().push(&request(repository(&fake), Vec::new()), &|_| {}).await;
        assert_eq!(pushed.is_ok(), success, "{pushed:?}");
        assert!(success || matches!(pushed, Err(PushError::TagTaken { .. })));
    }
}

#[tokio::test]
async fn a_damaged_file_is_not_sent_whole_and_the_session_is_abandoned() {
    let folder = tempfile::tempdir().unwrap();
    let fake = FakeRegistry::start(|seen, _| empty(seen));
    let path = folder.path().join("layer");
    let layer = file_layer(&path, &[7; 600_000]);
    std::fs::write(&path, [8; 600_000]).unwrap();
    let error = client().push(&request(repository(&fake), vec![layer]), &|_| {}).await.unwrap_err();
    assert!(
        error.to_string().contains("the cached blob sha256:") && error.to_string().contains("is damaged"),
        "{error}"
    );
    assert!(fake.requests().iter().any(|line| line.starts_with("DELETE")));
    assert!(!fake.requests().iter().any(|line| line.contains("PUT /v2/app/manifests")));
}

#[tokio::test]
async fn a_registry_that_names_another_digest_is_not_believed() {
    let fake = FakeRegistry::start(|seen, _| match &*seen.method {
        "PUT" => Answer::Http(201, vec![("docker-content-digest", Digest::of(b"other").to_string())], Vec::new()),
        _ => empty(seen),
    });
    let error = client().push(&request(repository(&fake), Vec::new()), &|_| {}).await.unwrap_err();
    assert!(matches!(error, PushError::WrongAnswer { .. }), "{error}");
}

#[tokio::test]
async fn a_missing_repository_is_told_with_both_of_its_reasons() {
    let fake = FakeRegistry::start(|seen, _| match &*seen.method {
        "POST" => error(404, "NAME_UNKNOWN", "no such repository"),
        _ => empty(seen),
    });
    let error = client().push(&request(repository(&fake), Vec::new()), &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("may not exist") && error.contains("ecr:InitiateLayerUpload"), "{error}");
}

#[tokio::test]
async fn a_base_layer_of_another_registry_streams_straight_through() {
    let bytes = vec![3; 700_000];
    let (blob, sent) = (blob_of(&bytes), bytes.clone());
    let base = FakeRegistry::start(move |_, _| Answer::Http(200, Vec::new(), sent.clone()));
    let target = FakeRegistry::start(|seen, _| empty(seen));
    let layer = PushLayer { descriptor: blob, source: BlobSource::Registry(repository(&base)) };
    client().push(&request(repository(&target), vec![layer]), &|_| {}).await.unwrap();
    let seen = target.seen.lock().unwrap();
    assert!(seen.iter().any(|seen| seen.method == "PUT" && seen.body == bytes));
}

#[tokio::test]
async fn a_bearer_token_is_fetched_once_for_a_scope_and_again_when_it_is_refused() {
    let fake = FakeRegistry::start(|seen, before| {
        let host = seen.header("host").unwrap_or_default();
        if seen.path.starts_with("/token") {
            let good = seen.header("authorization") == Some("Basic dTpwMA==") || before > 0;
            let scoped = seen.path.contains("service=s&scope=repository%3Aapp%3Apull");
            let body = format!(r#"{{"token":"t{before}","expires_in":300}}"#).into_bytes();
            return if good && scoped { Answer::Http(200, Vec::new(), body) } else { status(401) };
        }
        // The first token runs out after its second use.
        let fine = match seen.header("authorization") {
            Some("Bearer t0") => before < 3,
            Some("Bearer t1") => true,
            _ => false,
        };
        let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
        if fine {
            tagged(Digest::of(b"x"))
        } else {
            Answer::Http(401, vec![("www-authenticate", challenge)], Vec::new())
        }
    });
    let (client, reference) = (client(), repository(&fake).tagged("v1").unwrap());
    for _ in 0..4 {
        assert!(client.head(&reference).await.unwrap().is_some());
    }
    let tokens = fake.requests().iter().filter(|line| line.contains("/token")).count();
    assert_eq!(tokens, 2, "{:?}", fake.requests());
}

#[tokio::test]
async fn a_push_and_a_resolution_may_move_between_threads() {
    let wanted = image(Vec::new()).manifest.digest;
    let fake = FakeRegistry::start(move |_, _| tagged(wanted));
    let request = request(repository(&fake), Vec::new());
    let push = tokio::spawn(async move { client().push(&request, &|_| {}).await.is_ok() });
    assert!(push.await.unwrap());
}
