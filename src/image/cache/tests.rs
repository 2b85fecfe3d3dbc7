use std::fs::FileTimes;
use std::time::UNIX_EPOCH;

use super::*;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(&folder.path().join("cache")).unwrap();
    (folder, cache)
}

fn stored(cache: &Cache, bytes: &[u8]) -> (Digest, PathBuf) {
    let digest = Digest::of(bytes);
    (digest, cache.store_blob(&digest, bytes.len() as u64, bytes).unwrap())
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn a_blob_is_found_by_its_digest() {
    let (_folder, cache) = cache();
    let (digest, path) = stored(&cache, b"content");
    assert_eq!(cache.blob(&digest), Some(path.clone()));
    assert_eq!(fs::read(path).unwrap(), b"content");
    assert_eq!(cache.blob(&Digest::of(b"other")), None);
    assert_eq!(files(&cache.temporary()), 0);
}

#[test]
fn content_that_was_not_announced_is_not_kept() {
    let (_folder, cache) = cache();
    let digest = Digest::of(b"content");
    for (size, bytes) in [(7, &b"c0ntent"[..]), (8, b"content"), (6, b"content"), (7, b"conten")] {
        let error = cache.store_blob(&digest, size, bytes).unwrap_err();
        assert!(matches!(error, CacheError::Mismatch { .. }), "{error}");
    }
    assert_eq!((cache.blob(&digest), files(&cache.temporary()), files(&cache.blobs())), (None, 0, 0));
}

#[test]
fn a_flipped_bit_is_found_even_when_the_times_are_put_back() {
    let (_folder, cache) = cache();
    let (digest, path) = stored(&cache, b"content");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    // The kernel's clock ticks every few milliseconds; a change within the same tick is not told apart.
    std::thread::sleep(Duration::from_millis(30));
    fs::write(&path, b"c0ntent").unwrap();
    File::options().write(true).open(&path).unwrap().set_times(FileTimes::new().set_modified(modified)).unwrap();
    assert_eq!(cache.blob(&digest), None);
    assert!(!path.exists(), "the broken blob is gone");
    stored(&cache, b"content");
    assert_eq!(cache.blob(&digest), Some(path));
}

#[test]
fn a_blob_that_was_only_touched_is_hashed_once_and_kept() {
    let (_folder, cache) = cache();
    let (digest, path) = stored(&cache, b"content");
    let before = fs::read(cache.checked(&digest)).unwrap();
    File::options().write(true).open(&path).unwrap().set_times(FileTimes::new().set_modified(UNIX_EPOCH)).unwrap();
    assert_eq!(cache.blob(&digest), Some(path));
    assert_ne!(fs::read(cache.checked(&digest)).unwrap(), before);
}

#[test]
fn after_a_restart_every_blob_is_hashed_again() {
    let (_folder, mut cache) = cache();
    let (digest, path) = stored(&cache, b"content");
    cache.boot = "another".to_owned();
    let before = fs::read(cache.checked(&digest)).unwrap();
    assert_eq!(cache.blob(&digest), Some(path));
    assert_ne!(fs::read(cache.checked(&digest)).unwrap(), before);
}

#[test]
fn a_link_to_a_blob_leaves_it_trusted() {
    let (folder, cache) = cache();
    let (digest, path) = stored(&cache, b"content");
    let to = folder.path().join("linked");
    fs::write(&to, b"what was there before").unwrap();
    std::thread::sleep(Duration::from_millis(30));
    cache.link_blob(&digest, &to).unwrap();
    assert_eq!(fs::read(&to).unwrap(), b"content");
    assert_eq!(fs::read_to_string(cache.checked(&digest)).unwrap(), cache.state(&fs::metadata(path).unwrap()));
    assert_eq!(files(folder.path()), 2, "nothing is left beside it");
}

#[test]
fn what_a_dead_process_left_is_swept_and_what_a_living_one_writes_is_not() {
    let (_folder, cache) = cache();
    let [old, young] = ["old", "young"].map(|name| cache.temporary().join(name));
    for file in [&old, &young] {
        fs::write(file, b"half a blob").unwrap();
    }
    File::options().write(true).open(&old).unwrap().set_times(FileTimes::new().set_modified(UNIX_EPOCH)).unwrap();
    Cache::open(cache.root()).unwrap();
    assert_eq!((old.exists(), young.exists()), (false, true));
}

#[test]
fn a_cache_that_is_deleted_while_it_is_used_is_made_anew() {
    let (_folder, cache) = cache();
    fs::remove_dir_all(cache.root()).unwrap();
    let (digest, path) = stored(&cache, b"content");
    assert_eq!(cache.blob(&digest), Some(path));
}

#[test]
fn errors_name_the_place_and_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Cache::open(&file).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()) && error.contains("SHIPIT_CACHE_DIR"), "{error}");
    let told = |kind: io::ErrorKind| CacheError::Write { path: file.clone(), source: kind.into() }.to_string();
    assert!(told(io::ErrorKind::StorageFull).contains("the disk is full: make room"));
    assert!(told(io::ErrorKind::ReadOnlyFilesystem).contains("a folder that this user may write to"));
}

#[test]
fn writers_of_the_same_blob_do_not_disturb_each_other() {
    let (_folder, cache) = cache();
    let bytes = vec![7; 300_000];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| stored(&cache, &bytes));
        }
    });
    assert!(cache.blob(&Digest::of(&bytes)).is_some());
    assert_eq!((files(&cache.blobs()), files(&cache.temporary())), (1, 0));
}
