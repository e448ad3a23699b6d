//! What came of a call: the answer of the invoke API, told apart.

use http::StatusCode;
use serde_json::Value as Json;

use super::Failed;
use crate::distribution::lambda::LambdaEvent;
use crate::function::validate::Invalid;

/// More than any valid result: 1.33 MB of base64, and headers.
pub const INVOKED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Invoked {
    /// It returned this.
    Returned(Json),
    /// It threw, or ended without a result: why.
    Threw(String),
    /// There is no room for it now.
    Throttled,
    /// It did not return in time.
    TimedOut,
    /// It could not be called: why.
    Unreachable(String),
    /// What it returned is larger than any result may be.
    TooLarge,
}

impl Invoked {
    /// The answer of an endpoint: its status, what `X-Amz-Function-Error` says, and its body. The runtime interface
    /// emulator has no such header: an error is an object with `errorMessage`.
    pub fn read(status: StatusCode, function_error: Option<&str>, body: &[u8]) -> Self {
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Self::Throttled;
        }
        let text = || String::from_utf8_lossy(body.get(..300).unwrap_or(body)).into_owned();
        if !status.is_success() {
            return Self::Unreachable(format!("the endpoint answers {}: {}", status.as_str(), text()));
        }
        let Ok(value) = serde_json::from_slice::<Json>(body) else {
            return Self::Threw(text()); // as the emulator speaks of one that ran out of time
        };
        let message = value.get("errorMessage").and_then(Json::as_str);
        match (function_error, message) {
            (Some(kind), message) => Self::Threw(message.unwrap_or(kind).to_owned()),
            (None, Some(message)) if value.get("status").is_none() && value.get("uri").is_none() => {
                Self::Threw(message.to_owned())
            }
            (None, _) => Self::Returned(value),
        }
    }

    /// The result, or why there is none.
    pub(crate) fn result(self, event: LambdaEvent) -> Result<Json, Failed> {
        match self {
            Self::Returned(value) => Ok(value),
            Self::Threw(what) => Err(Failed::Execution(format!("it threw {what}"))),
            Self::Throttled => Err(Failed::Limit),
            Self::TimedOut => {
                let seconds = event.timeout().as_secs();
                Err(Failed::Execution(format!("it did not return within {seconds} s")))
            }
            Self::Unreachable(why) => Err(Failed::Execution(format!("it cannot be called: {why}"))),
            Self::TooLarge => Err(Invalid::Value("The result exceeds the maximum size.".to_owned()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_of_endpoints_are_told_apart() {
        let ok = StatusCode::OK;
        let read = |status: StatusCode, error, body: &str| Invoked::read(status, error, body.as_bytes());
        assert_eq!(read(ok, None, r#"{"uri":"/"}"#), Invoked::Returned(json!({"uri": "/"})));
        assert_eq!(read(ok, None, "null"), Invoked::Returned(Json::Null));
        assert_eq!(
            read(ok, None, r#"{"errorMessage":"no","errorType":"Error"}"#),
            Invoked::Threw("no".to_owned())
        );
        assert_eq!(read(ok, Some("Unhandled"), r#"{"errorMessage":"no"}"#), Invoked::Threw("no".to_owned()));
        assert_eq!(read(ok, Some("Unhandled"), "{}"), Invoked::Threw("Unhandled".to_owned()));
        assert!(matches!(read(ok, None, "Task timed out after 3.00 seconds"), Invoked::Threw(_)));
        assert_eq!(read(StatusCode::TOO_MANY_REQUESTS, None, "{}"), Invoked::Throttled);
        assert!(matches!(read(StatusCode::FORBIDDEN, None, "no"), Invoked::Unreachable(_)));
    }
}
