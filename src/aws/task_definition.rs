//! Task definition revisions: reading one whole, and registering another.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::config::Aws;
use super::error::{AwsError, Call};
use super::json::Exchange;

/// What DescribeTaskDefinition adds and RegisterTaskDefinition refuses.
const READ_ONLY: [&str; 10] = [
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
    "tags",
];

/// A registered revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    pub arn: String,
    pub family: String,
    pub revision: u64,
    /// The task definition as ECS describes it, unknown members included.
    pub json: Value,
    pub tags: BTreeMap<String, String>,
}

/// Reads a revision: an ARN, `family:revision`, or `family` for its newest active one.
///
/// # Errors
/// [`AwsError::TaskDefinitionNotFound`], or what else the call meets.
pub async fn describe(aws: &Aws, reference: &str) -> Result<Revision, AwsError> {
    let call = Call { action: "ecs:DescribeTaskDefinition", resource: reference };
    let exchange = Exchange::reading();
    let answer = aws
        .ecs()
        .describe_task_definition()
        .task_definition(reference)
        .include(aws_sdk_ecs::types::TaskDefinitionField::Tags)
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await;
    match answer {
        Ok(_) => read(&call, exchange.answer(&call)?),
        Err(error) => Err(match call.failed(error) {
            AwsError::Refused { code, message, .. }
                if code == "ClientException"
                    && message.to_lowercase().contains("unable to describe task definition") =>
            {
                AwsError::TaskDefinitionNotFound { reference: reference.to_owned(), region: aws.region().to_owned() }
            }
            other => other,
        }),
    }
}

/// Registers a planned revision, see [`plan`](super::overlay::plan).
///
/// # Errors
/// Where the call fails. A role that the caller may not pass is [`AwsError::AccessDenied`] with iam:PassRole.
pub async fn register(aws: &Aws, planned: &Value, tags: &BTreeMap<String, String>) -> Result<Revision, AwsError> {
    let family = planned.get("family").and_then(Value::as_str).unwrap_or_default();
    let call = Call { action: "ecs:RegisterTaskDefinition", resource: family };
    let mut body = planned.clone();
    // ECS refuses an empty list.
    if !tags.is_empty() {
        body["tags"] = tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    }
    let exchange = Exchange::sending(&body);
    aws.ecs()
        .register_task_definition()
        .family(family)
        .set_container_definitions(Some(Vec::new()))
        .customize()
        .interceptor(exchange.clone())
        .send()
        .await
        .map_err(|error| call.failed(error))?;
    read(&call, exchange.answer(&call)?)
}

/// The tags of the next revision: the current one's, without those that AWS sets itself, and the new ones over them.
pub fn next_tags(current: Option<&Revision>, new: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let kept = current.into_iter().flat_map(|revision| &revision.tags).filter(|(key, _)| !key.starts_with("aws:"));
    kept.chain(new).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A described task definition as RegisterTaskDefinition takes it: all members but those that are only read, and
/// those that are empty words, which the emulated AWS tells and AWS would refuse.
pub fn registrable(described: &Value) -> Map<String, Value> {
    let mut map = described.as_object().cloned().unwrap_or_default();
    map.retain(|key, value| !READ_ONLY.contains(&key.as_str()) && !value.is_null() && value != "");
    map
}

/// Whether two task definitions run the same, tags and what ECS adds by itself aside. Lists that ECS keeps as sets
/// are compared as sets, and members that say what ECS takes anyway count as absent.
pub fn equal_but_for_tags(one: &Value, other: &Value) -> bool {
    let normal = |value: &Value| {
        let mut map = registrable(value);
        let containers = map.get_mut("containerDefinitions").and_then(Value::as_array_mut);
        containers.into_iter().flatten().for_each(normalize_container);
        drop_empty(&mut map);
        Value::Object(map)
    };
    normal(one) == normal(other)
}

fn normalize_container(container: &mut Value) {
    let Some(container) = container.as_object_mut() else { return };
    for list in ["environment", "secrets"] {
        if let Some(entries) = container.get_mut(list).and_then(Value::as_array_mut) {
            entries.sort_by_key(|entry| entry.get("name").map(Value::to_string));
        }
    }
    for mapping in container.get_mut("portMappings").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(mapping) = mapping.as_object_mut() else { continue };
        if mapping.get("hostPort") == mapping.get("containerPort") {
            mapping.remove("hostPort");
        }
        if mapping.get("protocol") == Some(&json!("tcp")) {
            mapping.remove("protocol");
        }
    }
    if container.get("cpu") == Some(&json!(0)) {
        container.remove("cpu");
    }
    if container.get("essential") == Some(&json!(true)) {
        container.remove("essential");
    }
    drop_empty(container);
}

fn drop_empty(map: &mut Map<String, Value>) {
    map.retain(|_, value| match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    });
}

fn read(call: &Call<'_>, mut answer: Value) -> Result<Revision, AwsError> {
    let json = answer.get_mut("taskDefinition").map(Value::take).unwrap_or_default();
    let word = |key: &str| json.get(key).and_then(Value::as_str).map(str::to_owned);
    let arn = word("taskDefinitionArn").ok_or_else(|| call.unexpected("a task definition without an ARN"))?;
    let family = word("family").ok_or_else(|| call.unexpected("a task definition without a family"))?;
    let revision = json.get("revision").and_then(Value::as_u64).unwrap_or_default();
    let tags = answer.get("tags").and_then(Value::as_array);
    let tags = tags.into_iter().flatten().filter_map(|tag| {
        let word = |key: &str| tag.get(key).and_then(Value::as_str).map(str::to_owned);
        Some((word("key")?, word("value").unwrap_or_default()))
    });
    Ok(Revision { arn, family, revision, tags: tags.collect(), json })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::canned::Canned;

    #[test]
    fn what_ecs_adds_by_itself_is_no_difference() {
        let written = json!({
            "family": "f", "containerDefinitions": [{
                "name": "app", "image": "i", "environment": [{ "name": "B", "value": "1" }, { "name": "A", "value": "1" }],
                "portMappings": [{ "containerPort": 8080 }],
            }],
        });
        let told = json!({
            "family": "f", "revision": 3, "status": "ACTIVE", "volumes": [], "placementConstraints": [], "tags": [{}],
            "containerDefinitions": [{
                "name": "app", "image": "i", "cpu": 0, "essential": true, "mountPoints": [], "volumesFrom": [], "systemControls": [],
                "environment": [{ "name": "A", "value": "1" }, { "name": "B", "value": "1" }],
                "portMappings": [{ "containerPort": 8080, "hostPort": 8080, "protocol": "tcp" }],
            }],
        });
        assert!(equal_but_for_tags(&written, &told));
        let mut other = told.clone();
        other["containerDefinitions"][0]["image"] = json!("j");
        assert!(!equal_but_for_tags(&written, &other));
    }

    #[tokio::test]
    async fn tags_travel_apart_and_an_empty_list_is_not_sent() {
        let answer = json!({
            "taskDefinition": { "taskDefinitionArn": "arn:x/f:8", "family": "f", "revision": 8 },
            "tags": [{ "key": "team", "value": "a" }, { "key": "aws:stack", "value": "s" }, { "key": "shipit:tag", "value": "1" }],
        });
        let canned = Canned::new([(200, answer.clone()), (200, answer.clone()), (200, answer)]);
        let aws = canned.aws();
        let current = describe(&aws, "f").await.unwrap();
        assert_eq!((&*current.arn, &*current.family, current.revision), ("arn:x/f:8", "f", 8));
        let tags = next_tags(Some(&current), &BTreeMap::from([("shipit:tag".to_owned(), "2".to_owned())]));
        register(&aws, &json!({ "family": "f" }), &tags).await.unwrap();
        register(&aws, &json!({ "family": "f" }), &BTreeMap::new()).await.unwrap();
        assert_eq!(
            canned.bodies(),
            [
                json!({ "taskDefinition": "f", "include": ["TAGS"] }),
                json!({ "family": "f", "tags": [{ "key": "shipit:tag", "value": "2" }, { "key": "team", "value": "a" }] }),
                json!({ "family": "f" }),
            ]
        );
    }

    #[tokio::test]
    async fn a_missing_revision_is_told() {
        let answer = json!({ "__type": "ClientException", "message": "Unable to describe task definition." });
        let error = describe(&Canned::new([(400, answer)]).aws(), "f:9").await.unwrap_err();
        assert!(matches!(error, AwsError::TaskDefinitionNotFound { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_role_that_may_not_be_passed_is_told_with_its_action() {
        let message = "User: arn:aws:iam::1:user/ci is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/t";
        let answer = json!({ "__type": "AccessDeniedException", "message": message });
        let error = register(&Canned::new([(400, answer)]).aws(), &json!({ "family": "f" }), &BTreeMap::new()).await;
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("AWS denies iam:PassRole on arn:aws:iam::1:role/t"), "{error}");
    }
}
