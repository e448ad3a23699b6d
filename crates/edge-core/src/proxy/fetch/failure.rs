//! Why an origin gave no answer, or not all of it. Which status a viewer sees for it is decided elsewhere
//! (cloudfront.md §10.3).

use std::fmt;

/// Why an origin gave no answer, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginFailure {
    /// The name has no address, or nobody could be asked.
    Dns(String),
    /// The server refused the connection.
    Refused,
    /// There is no way to the server, or the connection failed in another way.
    Unreachable(String),
    /// TCP and TLS took longer than the connection timeout.
    ConnectTimeout,
    /// The handshake failed, or the certificate is not one for this origin.
    Tls(String),
    /// The connection was reset before a response.
    Reset(String),
    /// The connection ended before a response, or within its head.
    ClosedBeforeResponse,
    /// Nothing came, or could be sent, for the read timeout.
    ReadTimeout,
    /// The response cannot be read in exactly one way.
    InvalidResponse(String),
    /// The response head is larger than 32,768 bytes, or has too many fields.
    HeaderTooBig,
    /// The body ended, or was reset, before its end.
    Truncated,
    /// The whole exchange took longer than the response completion timeout.
    CompletionTimeout,
    /// The viewer's body failed, or is not as long as its length said.
    ViewerBody(String),
    /// The request could not be written without ambiguity. The caller's mistake.
    InvalidRequest(&'static str),
}

impl OriginFailure {
    /// Whether it speaks against the server, rather than against one request or the viewer.
    pub(super) fn server_is_gone(&self) -> bool {
        matches!(
            self,
            Self::Dns(_)
                | Self::Refused
                | Self::Unreachable(_)
                | Self::ConnectTimeout
                | Self::Tls(_)
                | Self::Reset(_)
                | Self::ClosedBeforeResponse
        )
    }

    /// Whether the same server would fail in the same way at once.
    pub(super) fn will_repeat(&self) -> bool {
        matches!(self, Self::Dns(_) | Self::Tls(_))
    }
}

impl fmt::Display for OriginFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(why) => write!(f, "no address: {why}"),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable(why) => write!(f, "no connection: {why}"),
            Self::ConnectTimeout => f.write_str("connection timeout"),
            Self::Tls(why) => write!(f, "TLS: {why}"),
            Self::Reset(why) => write!(f, "reset before a response: {why}"),
            Self::ClosedBeforeResponse => f.write_str("closed before a response"),
            Self::ReadTimeout => f.write_str("read timeout"),
            Self::InvalidResponse(why) => write!(f, "invalid response: {why}"),
            Self::HeaderTooBig => f.write_str("response head too big"),
            Self::Truncated => f.write_str("body cut short"),
            Self::CompletionTimeout => f.write_str("response completion timeout"),
            Self::ViewerBody(why) => write!(f, "viewer's body: {why}"),
            Self::InvalidRequest(why) => write!(f, "invalid request: {why}"),
        }
    }
}

impl std::error::Error for OriginFailure {}
