//! The last lines that a container wrote, from CloudWatch Logs.

use serde_json::Value;

use super::config::Aws;
use super::error::{AwsError, Call};

/// Where the awslogs driver writes what one container of one task says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStream {
    pub region: String,
    pub group: String,
    pub stream: String,
}

impl LogStream {
    /// Reads a container definition. `None` where it logs by another driver, or without a stream prefix, in which
    /// case the stream's name cannot be told.
    pub fn of(container: &Value, task_id: &str, region: &str) -> Option<Self> {
        let name = container.get("name")?.as_str()?;
        let log = container.get("logConfiguration")?;
        if log.get("logDriver")?.as_str()? != "awslogs" {
            return None;
        }
        let option = |key: &str| log.get("options").and_then(|options| options.get(key)).and_then(Value::as_str);
        Some(LogStream {
            region: option("awslogs-region").unwrap_or(region).to_owned(),
            group: option("awslogs-group")?.to_owned(),
            stream: format!("{}/{name}/{task_id}", option("awslogs-stream-prefix")?),
        })
    }
}

/// The last lines of a stream, oldest first; none where the group or stream does not exist (yet).
///
/// # Errors
/// Where the call fails otherwise.
pub async fn last_lines(aws: &Aws, stream: &LogStream, lines: u16) -> Result<Vec<String>, AwsError> {
    let resource = format!("{}:{}", stream.group, stream.stream);
    let call = Call { action: "logs:GetLogEvents", resource: &resource };
    let answer = aws
        .logs(&stream.region)
        .get_log_events()
        .log_group_name(&stream.group)
        .log_stream_name(&stream.stream)
        .limit(lines.into())
        .start_from_head(false)
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer
            .events()
            .iter()
            .filter_map(|event| event.message())
            .map(|line| line.trim_end_matches(['\n', '\r']).to_owned())
            .collect()),
        Err(error) => match call.failed(error) {
            AwsError::Refused { code, .. } if code == "ResourceNotFoundException" => Ok(Vec::new()),
            other => Err(other),
        },
    }
}
