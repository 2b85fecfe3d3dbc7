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
