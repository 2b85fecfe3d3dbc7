use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write};

use serde_json::json;

use super::*;
use crate::image::opened::LayerSource;
use crate::image::{Descriptor, Manifest, MediaType, tar};

/// Layers in memory.
struct InMemory(HashMap<Digest, Vec<u8>>);

impl fmt::Debug for InMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers", self.0.len())
    }
}

impl LayerSource for InMemory {
    fn open(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + '_>>, OpenError> {
        Ok(self.0.get(&layer.digest).map(|bytes| Box::new(&**bytes) as Box<dyn Read>))
    }
}

/// A layer: its name if it is shipit's, its files, and the time of all of them.
struct Layer {
    name: Option<&'static str>,
    files: Vec<(String, Vec<u8>)>,
    modified: i64,
}

fn layer(name: Option<&'static str>, files: &[(&str, &[u8])]) -> Layer {
    Layer {
        name,
        files: files.iter().map(|(path, content)| ((*path).to_owned(), content.to_vec())).collect(),
        modified: 0,
    }
}

fn tar_of(layer: &Layer) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content) in &layer.files {
        bytes.extend(tar::header(path, tar::Kind::File { size: content.len() as u64 }, layer.modified));
        bytes.extend(content);
        bytes.extend(&[0; tar::BLOCK][..tar::padding(content.len() as u64)]);
    }
    bytes.extend(tar::END);
    bytes
}

/// What is not given by the layers.
struct Rest {
    level: u32,
    base: &'static str,
    config: Value,
}

fn rest() -> Rest {
    Rest { level: 6, base: "one", config: json!({ "Env": ["PATH=/bin", "A=1"], "User": "app" }) }
}

fn image(layers: &[Layer], rest: &Rest) -> OpenedImage {
    let (mut blobs, mut descriptors, mut diff_ids, mut history) = (HashMap::new(), vec![], vec![], vec![]);
    for layer in layers {
        let tar = tar_of(layer);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(rest.level));
        gzip.write_all(&tar).unwrap();
        let blob = gzip.finish().unwrap();
        let descriptor = Descriptor::of(MediaType::OCI_LAYER_GZIP, &blob);
        diff_ids.push(Digest::of(&tar));
        history.push(match layer.name {
            Some(name) => json!({ "created_by": "shipit", "comment": format!("{name} of the application") }),
            None => json!({ "created_by": "base" }),
        });
        blobs.insert(descriptor.digest, blob);
        descriptors.push(descriptor);
    }
    let config = json!({
        "os": "linux", "architecture": "amd64", "config": rest.config, "history": history,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = config.to_string().into_bytes();
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: None,
        config: Descriptor::of(MediaType::OCI_CONFIG, &config),
        layers: descriptors,
        annotations: BTreeMap::from([(BASE_DIGEST.to_owned(), rest.base.to_owned())]),
    };
    let bytes = manifest.to_bytes();
    OpenedImage::new("test", Some(Digest::of(&bytes)), &bytes, &config, Box::new(InMemory(blobs))).unwrap()
}

/// Each difference as `a / b / c: change`.
fn told(a: &OpenedImage, b: &OpenedImage) -> Vec<String> {
    let found = compare(a, b).unwrap();
    found.iter().map(|found| format!("{}: {:?}", found.at.join(" / "), found.change)).collect()
}

/// A zip of stored entries, all at 1980-01-01 but for the time given.
fn jar(entries: &[(&str, &[u8])], time: u16) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let offset = bytes.len() as u32;
        let mut common = Vec::new();
        common.extend([10, 0, 0, 0, 0, 0]);
        common.extend(time.to_le_bytes());
        common.extend(0x21u16.to_le_bytes());
        common.extend(crc32fast::hash(content).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&common);
        bytes.extend(name.as_bytes());
        bytes.extend(*content);
        directory.extend(b"PK\x01\x02\x0a\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (at, count) = (bytes.len() as u32, (entries.len() as u16).to_le_bytes());
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

#[test]
fn equal_images_have_no_differences() {
    let one = || image(&[layer(None, &[("etc/os", b"debian")])], &rest());
    assert!(told(&one(), &one()).is_empty());
}

#[test]
fn configurations_differ_by_key_and_environments_by_name() {
    let layers = || [layer(None, &[("etc/os", b"debian")])];
    let other = Rest { config: json!({ "Env": ["PATH=/bin", "A=2", "B=3"], "User": "app" }), ..rest() };
    assert_eq!(
        told(&image(&layers(), &rest()), &image(&layers(), &other)),
        [
            r#"config: Key { key: "/config/Env/A", a: Some("1"), b: Some("2") }"#,
            r#"config: Key { key: "/config/Env/B", a: None, b: Some("3") }"#,
        ]
    );
}

#[test]
fn a_base_that_moved_is_told_once_and_not_file_by_file() {
    let a = image(&[layer(None, &[("etc/os", b"12")]), layer(Some("application"), &[("app/a", b"x")])], &rest());
    let other = Rest { base: "two", ..rest() };
    let b = image(&[layer(None, &[("etc/os", b"13")]), layer(Some("application"), &[("app/a", b"x")])], &other);
    let found = told(&a, &b);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].contains(r#"field: "digest""#) && found[1].contains("1 of its 1 layers differ"), "{found:#?}");
    assert_eq!(causes(&compare(&a, &b).unwrap())[0].id, "base-moved");
}

#[test]
fn files_are_found_in_layers_and_entries_in_jars_and_jars_in_jars() {
    let nested = |time: &str| jar(&[("META-INF/build-info.properties", format!("build.time={time}\n").as_bytes())], 0);
    let outer = |time: &str| jar(&[("BOOT-INF/lib/module.jar", &nested(time)), ("same.txt", b"same")], 0);
    let one = |time: &str, only: &str| {
        image(
            &[layer(Some("application"), &[("app/application.jar", &outer(time)), (only, b"1"), ("app/t", b"t")])],
            &rest(),
        )
    };
    assert_eq!(
        told(&one("1", "app/a"), &one("2", "app/b")),
        [
            "layer application / app/a: OnlyA",
            "layer application / app/b: OnlyB",
            "layer application / app/application.jar / BOOT-INF/lib/module.jar / META-INF/build-info.properties: \
             Key { key: \"build.time\", a: Some(\"1\"), b: Some(\"2\") }",
        ]
    );
}

#[test]
fn entry_times_and_order_are_told_with_what_mends_them() {
    let content: &[(&str, &[u8])] = &[("a", b"1"), ("b", b"2")];
    let turned: &[(&str, &[u8])] = &[("b", b"2"), ("a", b"1")];
    let one = |jar: Vec<u8>| image(&[layer(Some("dependencies"), &[("app/lib/x.jar", &jar)])], &rest());
    let a = one(jar(content, 0));
    let ids = |b: &OpenedImage| causes(&compare(&a, b).unwrap()).iter().map(|cause| cause.id).collect::<Vec<_>>();
    assert_eq!(ids(&one(jar(turned, 0))), ["entry-order"]);
    let found = told(&a, &one(jar(content, 0x0821)));
    assert!(found[0].contains("1980-01-01 01:01:02"), "{found:?}");
    assert_eq!(ids(&one(jar(content, 0x0821))), ["entry-times"]);
}

#[test]
fn another_encoder_and_another_time_are_not_other_content() {
    let files: &[(&str, &[u8])] = &[("app/a", &[7; 5000]), ("app/b", b"y")];
    let a = image(&[layer(Some("application"), files)], &rest());
    let b = image(&[layer(Some("application"), files)], &Rest { level: 0, ..rest() });
    assert!(told(&a, &b).iter().any(|found| found == "layer application: Compression"));
    let later = Layer { modified: 1_700_000_000, ..layer(Some("application"), files) };
    assert_eq!(
        told(&a, &image(&[later], &rest())),
        [
            r#"layer application: Field { field: "time of every file", a: Some("1970-01-01T00:00:00Z"), b: Some("2023-11-14T22:13:20Z") }"#
        ]
    );
}

#[test]
fn a_layer_whose_bytes_are_not_here_is_said_so() {
    let with = |content: &'static [u8]| image(&[layer(None, &[("etc/os", content)])], &rest());
    let bare = |image: OpenedImage| {
        let (manifest, config) = (image.manifest.to_bytes(), image.config.to_string().into_bytes());
        let none = Box::new(InMemory(HashMap::new()));
        OpenedImage::new("bare", image.digest, &manifest, &config, none).unwrap()
    };
    let found = told(&bare(with(b"1")), &with(b"2"));
    assert!(found.iter().any(|found| found.contains("its bytes are not here")), "{found:?}");
}

#[test]
fn a_layer_that_is_not_what_its_digest_says_is_an_error() {
    let one = image(&[layer(None, &[("etc/os", b"1")])], &rest());
    let (manifest, config) = (one.manifest.to_bytes(), one.config.to_string().into_bytes());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar_of(&layer(None, &[("etc/os", b"2")]))).unwrap();
    let mut wrong = gzip.finish().unwrap();
    wrong.resize(one.manifest.layers[0].size as usize, 0);
    let blobs = InMemory(HashMap::from([(one.manifest.layers[0].digest, wrong)]));
    let spoilt = OpenedImage::new("spoilt", Some(Digest::of(b"other")), &manifest, &config, Box::new(blobs)).unwrap();
    let other = image(&[layer(None, &[("etc/os", b"3")])], &rest());
    assert!(matches!(compare(&spoilt, &other), Err(OpenError::Layer { .. })));
}

#[test]
fn an_entry_that_unpacks_to_more_than_it_says_is_not_unpacked() {
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflated.write_all(&vec![0; 1 << 24]).unwrap();
    let bomb = deflated.finish().unwrap();
    let with = |tail: u8| {
        let mut bytes = jar(&[("bomb", &bomb)], 0);
        // Deflated, with a size of five bytes, in both headers; another checksum so that it is looked into.
        for at in [0, bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap() + 2] {
            bytes[at + 8] = 8;
            bytes[at + 14] = tail;
            bytes[at + 22..at + 26].copy_from_slice(&5u32.to_le_bytes());
        }
        let end = bomb.len() + 34;
        bytes[end - 1] = tail;
        bytes
    };
    let mut findings = Findings::default();
    jar::compare(&["x.jar".to_owned()], &with(1), &with(2), &mut jar::Budget::default(), &mut findings);
    let found = format!("{:?}", findings.finish());
    assert!(found.contains("was not looked into"), "{found}");
}
