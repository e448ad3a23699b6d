//! Everything a viewer may make us wait for or keep, with its bound.
use std::time::Duration;

/// The bounds of a listener. The defaults are CloudFront's where it documents one.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections; more wait in the kernel's queue. 16,384.
    pub connections_max: u32,
    /// From accepting a connection to the end of its TLS handshake. 10 s.
    pub handshake_timeout: Duration,
    /// From the first byte of a request's head to its last, and from connecting to the first byte. 30 s.
    pub head_timeout: Duration,
    /// How long a connection may stay open without a request. 60 s.
    pub idle_timeout: Duration,
    /// While a viewer should be reading an answer or sending a body, this much time may pass … 60 s.
    pub stall_timeout: Duration,
    /// … in which at least this many bytes must move. 15,360 (256 bytes a second).
    pub stall_bytes_min: u64,
    /// How long a stopping listener waits for requests in flight. 30 s.
    pub drain_timeout: Duration,
    /// How long a stopping listener waits for the first request of a connection it has just accepted, and how long a
    /// closed connection is read from so that the viewer sees the answer and not a reset. 1 s.
    pub linger_timeout: Duration,
    /// How long what is no longer HTTP stays open without a byte from the other side. 10 min (CloudFront's, §1.3).
    pub tunnel_idle_timeout: Duration,
    /// Silence after which the kernel asks whether a viewer is still there. 60 s.
    pub tcp_keepalive: Duration,

    /// Request line and header fields. 32,768 (CloudFront answers 494 above).
    pub head_bytes_max: usize,
    /// The request target. 8,192 (CloudFront answers 414 above).
    pub url_bytes_max: usize,
    /// Header fields. 100: up to that many hyper parses without allocating.
    pub fields_max: usize,

    /// Requests in flight on one connection of HTTP/2 or HTTP/3. 100.
    pub h2_streams_max: u32,
    /// Streams reset by the viewer before we saw them. 20, then the connection is closed.
    pub h2_pending_resets_max: usize,
    /// Streams we reset because of the viewer's errors. 100, then the connection is closed (CVE-2025-8671).
    pub h2_error_resets_max: usize,
    /// Requests the viewer may call off before the connection is closed, not counting one for every two it let finish.
    /// 200 (CVE-2023-44487). HTTP/3 too, as for the two windows.
    pub h2_cancels_max: u64,
    /// What a viewer may send ahead on one stream, in bytes. 262,144.
    pub h2_stream_window: u32,
    /// What a viewer may send ahead on one connection, in bytes. 1,048,576.
    pub h2_connection_window: u32,
    /// What one stream may hold in bytes that the viewer does not take. 131,072.
    pub h2_send_buffer_bytes_max: usize,
    /// Between the pings to a silent viewer. None: TCP's keep-alive finds the dead, and pings wake the idle.
    pub h2_ping_interval: Option<Duration>,
    /// How long a ping may stay unanswered. 20 s.
    pub h2_ping_timeout: Duration,

    /// What one connection of HTTP/3 may hold in bytes that the viewer has not confirmed. 1,048,576.
    pub h3_send_buffer_bytes_max: u64,
    /// Handshakes over QUIC with viewers who have not shown that they are where they say; who comes then is asked to show
    /// it first (RFC 9000 §8.1.2). 128.
    pub h3_unproven_handshakes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 16_384,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
            stall_bytes_min: 60 * 256,
            drain_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(1),
            tunnel_idle_timeout: crate::exchange::WEBSOCKET_IDLE_MAX,
            tcp_keepalive: Duration::from_secs(60),
            head_bytes_max: 32_768,
            url_bytes_max: 8_192,
            fields_max: 100,
            h2_streams_max: 100,
            h2_pending_resets_max: 20,
            h2_error_resets_max: 100,
            h2_cancels_max: 200,
            h2_stream_window: 256 * 1024,
            h2_connection_window: 1024 * 1024,
            h2_send_buffer_bytes_max: 128 * 1024,
            h2_ping_interval: None,
            h2_ping_timeout: Duration::from_secs(20),
            h3_send_buffer_bytes_max: 1024 * 1024,
            h3_unproven_handshakes_max: 128,
        }
    }
}
