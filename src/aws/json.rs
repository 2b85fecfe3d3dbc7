//! The JSON of an SDK call itself, both ways. The SDK's typed answers drop the members that they do not know, so a
//! task definition copied through them would lose what is newer than this program; riding on the SDK's own call keeps
//! its retries, endpoints and signing.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ecs::config::interceptors::{
    AfterDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_sdk_ecs::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{AwsError, Call};

/// Reads the answer's body, and replaces the request's where one is given.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange {
    request: Option<Bytes>,
    answer: Arc<Mutex<Option<Bytes>>>,
}

impl Exchange {
    pub(super) fn reading() -> Self {
        Exchange::default()
    }

    pub(super) fn sending(body: &Value) -> Self {
        Exchange { request: Some(Bytes::from(body.to_string())), ..Exchange::default() }
    }

    /// The answer of the last attempt.
    pub(super) fn answer<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, AwsError> {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = answer.as_ref().ok_or_else(|| call.unexpected("no body"))?;
        serde_json::from_slice(bytes).map_err(|error| call.unexpected(error))
    }
}

impl Intercept for Exchange {
    fn name(&self) -> &'static str {
        "Exchange"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(body) = &self.request {
            let request = context.request_mut();
            let type_ = request.headers().get("content-type").unwrap_or_default();
            if !type_.contains("json") {
                return Err(format!("the SDK speaks '{type_}' where JSON was expected").into());
            }
            // Signing hashes the body that it finds, and signs the length.
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = SdkBody::from(body.clone());
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response().body().bytes().map(Bytes::copy_from_slice);
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = body;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::aws::canned::Canned;
    use crate::aws::task_definition;

    fn described() -> Value {
        json!({ "taskDefinition": { "taskDefinitionArn": "arn:x/f:1", "family": "f", "revision": 1, "fromTheFuture": { "a": [1] } } })
    }

    #[tokio::test]
    async fn members_that_the_sdk_does_not_know_reach_aws_and_come_back() {
        let planned =
            json!({ "family": "f", "containerDefinitions": [{ "name": "app", "newer": true }], "fromTheFuture": "ü" });
        let canned = Canned::new([(200, described())]);
        let revision = task_definition::register(&canned.aws(), &planned, &Default::default()).await.unwrap();
        assert_eq!(canned.bodies(), [planned]);
        assert_eq!(revision.json["fromTheFuture"], json!({ "a": [1] }));
    }

    #[tokio::test]
    async fn a_replaced_body_has_its_length_and_its_signature_also_when_it_is_sent_again() {
        let planned = json!({ "family": "f", "containerDefinitions": [{ "name": "app", "image": "i".repeat(5000) }] });
        let throttled = (400, json!({ "__type": "ThrottlingException", "message": "slow down" }));
        let canned = Canned::new([throttled, (200, described())]);
        task_definition::register(&canned.aws(), &planned, &Default::default()).await.unwrap();
        let asked = canned.asked.lock().unwrap();
        assert_eq!(asked.len(), 2);
        for request in asked.iter() {
            let body = request.body().bytes().unwrap();
            assert_eq!(body, planned.to_string().as_bytes());
            assert_eq!(request.headers().get_all("content-length").collect::<Vec<_>>(), [body.len().to_string()]);
            let header = |name: &str| request.headers().get(name).unwrap_or_default().trim().to_owned();
            assert_eq!(signature(&header, body), header("authorization").rsplit_once("Signature=").unwrap().1);
        }
    }

    #[tokio::test]
    async fn an_answer_without_what_it_should_hold_is_told_as_such() {
        let canned = Canned::new([(200, json!({ "taskDefinition": {} }))]);
        let error = task_definition::describe(&canned.aws(), "f").await.unwrap_err();
        assert!(matches!(&error, AwsError::UnexpectedAnswer { .. }), "{error}");
    }

    /// Signature Version 4, by the book: AWS general reference, "Create a signed AWS API request".
    fn signature(header: &dyn Fn(&str) -> String, body: &[u8]) -> String {
        let authorization = header("authorization");
        let part = |name: &str| authorization.split_once(name).unwrap().1.split(',').next().unwrap().to_owned();
        let signed = part("SignedHeaders=");
        let scope = part("Credential=").split_once('/').unwrap().1.to_owned();
        let headers: String = signed
            .split(';')
            .map(|name| match (name, header(name)) {
                ("host", host) if host.is_empty() => "host:ecs.eu-west-1.amazonaws.com\n".to_owned(),
                (name, value) => format!("{name}:{value}\n"),
            })
            .collect();
        let canonical = format!("POST\n/\n\n{headers}\n{signed}\n{}", hex(&Sha256::digest(body)));
        let digest = hex(&Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{digest}", header("x-amz-date"));
        let key = scope.split('/').fold(b"AWS4secret".to_vec(), |key, part| hmac(&key, part.as_bytes()));
        hex(&hmac(&key, to_sign.as_bytes()))
    }

    fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
        let padded = |pad: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or(0) ^ pad).collect() };
        let inner = Sha256::digest([&padded(0x36), message].concat());
        Sha256::digest([padded(0x5c), inner.to_vec()].concat()).to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
