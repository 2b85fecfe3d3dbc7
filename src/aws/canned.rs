//! A connector that answers from a list and keeps what it was asked, for tests.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ecs::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use serde_json::{Value, json};

use super::config::Aws;

#[derive(Debug, Clone, Default)]
pub(super) struct Canned {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    by_action: Arc<Mutex<HashMap<&'static str, VecDeque<Value>>>>,
    pub(super) asked: Arc<Mutex<Vec<HttpRequest>>>,
}

impl Canned {
    pub(super) fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Canned { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Canned::default() }
    }

    /// Answers each action from a list of its own, whose last answer is repeated.
    pub(super) fn by_action(answers: impl IntoIterator<Item = (&'static str, Vec<Value>)>) -> Self {
        let answers = answers.into_iter().map(|(action, answers)| (action, answers.into()));
        Canned { by_action: Arc::new(Mutex::new(answers.collect())), ..Canned::default() }
    }

    fn answer(&self, action: &str) -> (u16, Value) {
        if let Some(answers) = self.by_action.lock().unwrap().get_mut(action) {
            let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
            return (200, answer.unwrap());
        }
        let unknown = (400, json!({ "__type": "InvalidAction", "message": format!("no answer to {action}") }));
        self.answers.lock().unwrap().pop_front().unwrap_or(unknown)
    }

    pub(super) fn aws(&self) -> Aws {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKID", "secret", None, None, "test",
            )))
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(std::time::Duration::ZERO))
            .sleep_impl(aws_sdk_ecs::config::SharedAsyncSleep::new(Instant))
            .http_client(self.clone())
            .build();
        Aws::from_config(config)
    }

    pub(super) fn bodies(&self) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|request| serde_json::from_slice(request.body().bytes().unwrap()).unwrap()).collect()
    }
}

#[derive(Debug)]
struct Instant;

impl aws_sdk_ecs::config::AsyncSleep for Instant {
    fn sleep(&self, _: std::time::Duration) -> aws_sdk_ecs::config::Sleep {
        aws_sdk_ecs::config::Sleep::new(std::future::ready(()))
    }
}

impl HttpClient for Canned {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push(request);
        let (status, body) = self.answer(target.rsplit('.').next().unwrap_or_default());
        let mut response = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body.to_string()));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.1");
        HttpConnectorFuture::ready(Ok(response))
    }
}
