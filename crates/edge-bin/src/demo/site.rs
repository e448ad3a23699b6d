//! The demo's site: three pages, a stylesheet, a log-in. It behaves as WordPress does towards a cache: no
//! Cache-Control for anonymous pages, `no-cache` and a cookie for who is logged in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use edge_core::proxy::listen::{Interims, Limits, Listener, Peer, Refusal, RequestBody, Service, Stop};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};

/// A running site; it ends when this is dropped.
pub(super) struct Site {
    addr: SocketAddr,
    stop: Stop,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl Site {
    /// On any free port of the loopback interface.
    pub(super) fn start() -> std::io::Result<Self> {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None, Limits::default())?;
        let addr = listener.local_addr()?;
        let stop = Stop::new();
        tokio::spawn(listener.serve(Pages::default(), stop.clone()));
        Ok(Self { addr, stop })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

#[derive(Clone, Default)]
struct Pages {
    rendered: Arc<AtomicU64>,
}

type Response = http::Response<Full<Bytes>>;

/// The cookie WordPress marks a session with.
const SESSION_COOKIE: &str = "wordpress_logged_in_demo";
/// More of a log-in form than this is not read.
const FORM_BYTES_MAX: usize = 4_096;

impl Service for Pages {
    type Body = Full<Bytes>;
    type Error = std::convert::Infallible;

    async fn call<B: RequestBody>(&self, request: http::Request<B>, _: &Peer, _: Interims<'_>) -> Response {
        let (parts, body) = request.into_parts();
        match (&parts.method, parts.uri.path()) {
            (&Method::POST, "/wp-login.php") => {
                let form = Limited::new(body, FORM_BYTES_MAX)
                    .collect()
                    .await
                    .map(http_body_util::Collected::to_bytes);
                log_in(&form.unwrap_or_default())
            }
            (_, "/wp-login.php") => {
                page(LOG_IN_FORM.to_owned(), &[(CACHE_CONTROL, "no-cache, must-revalidate, max-age=0")])
            }
            (_, "/") => self.front(&parts.headers),
            (_, "/about/") => {
                self.page("About", "A site of three pages, to show what an edge does.", &parts.headers)
            }
            (_, "/wp-content/style.css") => stylesheet(),
            _ => {
                let mut response = self.page("Not found", "There is no such page.", &parts.headers);
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        }
    }

    fn refuse(&self, refusal: Refusal, _: &Peer) -> Response {
        let mut response = page(format!("{refusal:?}"), &[]);
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    }
}

impl Pages {
    fn front(&self, headers: &HeaderMap) -> Response {
        self.page("A demo behind the edge", "Pages come from the cache unless you are logged in.", headers)
    }

    fn page(&self, title: &str, text: &str, headers: &HeaderMap) -> Response {
        let number = self.rendered.fetch_add(1, Ordering::Relaxed) + 1;
        let device = headers.get("x-viewer-device").and_then(|value| value.to_str().ok()).unwrap_or("only");
        let user = user(headers);
        let greeting = user.as_ref().map_or_else(
            || "<p><a href=\"/wp-login.php\">Log in</a></p>".to_owned(),
            |name| format!("<p>Hello, {}!</p>", escaped(name)),
        );
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
             <link rel=\"stylesheet\" href=\"/wp-content/style.css\"></head>\n<body>\n<h1>{title}</h1>\n<p>{text}</p>\n\
             {greeting}\n<p>This is the {device} edition, rendering number {number}.</p>\n\
             <p><a href=\"/\">Front page</a> <a href=\"/about/\">About</a></p>\n</body></html>\n"
        );
        match user {
            Some(_) => page(html, &[(CACHE_CONTROL, "no-cache, must-revalidate, max-age=0")]),
            None => page(html, &[]),
        }
    }
}

const LOG_IN_FORM: &str = "<!doctype html>\n<title>Log in</title>\n<form method=\"post\"><label>Name <input name=\"log\"></label>\n\
                           <button>Log in</button></form>\n";

fn page(html: String, headers: &[(http::HeaderName, &'static str)]) -> Response {
    let mut response = http::Response::new(Full::from(html));
    let out = response.headers_mut();
    out.insert(CONTENT_TYPE, http::HeaderValue::from_static("text/html; charset=UTF-8"));
    for (name, value) in headers {
        out.insert(name, http::HeaderValue::from_static(value));
    }
    response
}

fn stylesheet() -> Response {
    let mut response =
        page("body { font-family: sans-serif; margin: 3rem auto; max-width: 40rem }\n".repeat(20), &[]);
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/css"));
    response
}

/// Anybody may be anybody here.
fn log_in(form: &[u8]) -> Response {
    let form = String::from_utf8_lossy(form);
    let name = form.split('&').find_map(|field| field.strip_prefix("log=")).unwrap_or("somebody");
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
    let mut response =
        page(String::new(), &[(LOCATION, "/"), (CACHE_CONTROL, "no-cache, must-revalidate, max-age=0")]);
    *response.status_mut() = StatusCode::FOUND;
    let cookies = [
        format!("{SESSION_COOKIE}={name}; path=/; HttpOnly"),
        format!("wordpress_sec_demo={name}; path=/wp-admin; HttpOnly; secure"),
    ];
    for cookie in cookies {
        if let Ok(value) = http::HeaderValue::from_str(&cookie) {
            response.headers_mut().append(SET_COOKIE, value);
        }
    }
    response
}

fn user(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    let session =
        cookies.split("; ").find_map(|pair| pair.strip_prefix(SESSION_COOKIE)?.strip_prefix('='))?;
    Some(session.to_owned())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
