//! What viewers try in order to get, or to leave behind, what they should not (threats §4): one row each.

use super::agents::Agent;
use super::client::Ask;

/// Random numbers, the same for the same seed (xorshift).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Changes a plain request for a page into one that tries something.
type Trick = fn(Ask, &Agent) -> Ask;

/// All of them; the plain request more than once, so that the cache is filled and read as usual too.
pub(crate) const TRICKS: &[(&str, Trick)] = &[
    ("plain", |ask, _| ask),
    ("plain again", |ask, _| ask),
    ("plain, compressed", |ask, _| ask.header("accept-encoding", "gzip")),
    ("trackers", |ask, agent| query(ask, &format!("utm_source={0}&gclid={0}&fbclid=x", agent.canary))),
    ("trackers of many names", |ask, agent| query(ask, &format!("utm_{0}={0}&msclkid={0}", agent.canary))),
    ("semicolons", |ask, agent| query(ask, &format!("a=1;utm_source=x;preview={}", agent.canary))),
    ("a parameter twice", |ask, agent| query(ask, &format!("s=heron&s={}", agent.canary))),
    ("forwarded host", |ask, agent| {
        let host = host(agent);
        ask.header("x-forwarded-host", &host)
            .header("x-host", &host)
            .header("forwarded", &format!("host={host}"))
    }),
    ("forwarded scheme", |ask, _| {
        ask.header("x-forwarded-proto", "http")
            .header("x-forwarded-port", "81")
            .header("x-forwarded-scheme", "http")
    }),
    ("forwarded address", |ask, agent| {
        ask.header("x-forwarded-for", &agent.canary).header("x-real-ip", "127.0.0.1")
    }),
    ("original URL", |ask, agent| {
        ask.header("x-original-url", "/wp-admin/").header("x-rewrite-url", &format!("/{}", agent.canary))
    }),
    ("method override", |ask, _| {
        ask.header("x-http-method-override", "PATCH").header("x-method-override", "PUT")
    }),
    ("our own headers", |ask, _| {
        ask.header("x-viewer-session", "the-same").header("x-viewer-device", "mobile")
    }),
    ("CloudFront's headers", |ask, agent| {
        ask.header("cloudfront-viewer-country", &agent.canary)
            .header("cloudfront-is-mobile-viewer", "true")
            .header("cloudfront-forwarded-proto", "http")
            .header("x-amz-cf-id", &agent.canary)
            .header("x-edge-location", &agent.canary)
    }),
    ("unknown headers", |ask, agent| {
        ask.header("x-anything", &agent.canary).header("referer", &host_url(agent))
    }),
    ("another origin", |ask, agent| ask.header("origin", &host_url(agent))),
    ("junk authorization", |ask, agent| ask.header("authorization", &format!("Basic {}", agent.canary))),
    ("a cookie field for each cookie", |ask, agent| {
        let cookies = cookies(agent, &ask);
        cookies.iter().fold(ask, |ask, pair| ask.header("cookie", pair))
    }),
    ("cookies in another order", |ask, agent| {
        let mut cookies = cookies(agent, &ask);
        cookies.reverse();
        ask.header("cookie", &format!("_ga=1; {}; zz=2", cookies.join("; ")))
    }),
    ("cookies without spaces", |ask, agent| {
        let joined = cookies(agent, &ask).join(";");
        ask.header("cookie", &format!("a=b;{joined};;c"))
    }),
    ("cookies twice", |ask, agent| {
        let cookies = cookies(agent, &ask);
        let spoiled: Vec<String> = cookies.iter().map(|pair| format!("{pair}x")).collect();
        ask.header("cookie", &format!("{}; {}", cookies.join("; "), spoiled.join("; ")))
    }),
    ("a session cookie of nobody", |ask, agent| {
        let joined = cookies(agent, &ask).join("; ");
        ask.header("cookie", &format!("wordpress_logged_in_0=admin%7C1%7Cx; {joined}"))
    }),
    ("another port", |mut ask, agent| {
        ask.authority = agent.viewer.authority.split(':').next().map(|name| format!("{name}:9"));
        ask
    }),
    ("an upper-case host", |mut ask, agent| {
        ask.authority = Some(agent.viewer.authority.to_ascii_uppercase());
        ask
    }),
    ("a range", |ask, _| ask.header("range", "bytes=0-499")),
    ("conditions", |ask, _| {
        ask.header("if-none-match", "\"x\"").header("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT")
    }),
    ("any version will do", |ask, _| ask.header("if-none-match", "*")),
    ("no cache", |ask, _| ask.header("cache-control", "no-cache").header("pragma", "no-cache")),
    ("HEAD", |ask, _| Ask { method: http::Method::HEAD, ..ask }),
    ("a body on a GET", |ask, agent| Ask { body: format!("s={}", agent.canary).into(), ..ask }),
    ("a form", |ask, agent| {
        let form = Ask::form(&ask.target, &[("anything", &agent.canary)]);
        Ask { headers: form.headers, ..form }
    }),
    ("a style sheet below", |ask, agent| path(ask, |path| format!("{path}{}.css", agent.canary))),
    ("a style sheet's name", |ask, _| path(ask, |path| format!("{path};x.css"))),
    ("an encoded slash", |ask, _| path(ask, |path| format!("{path}%2fx.css"))),
    ("two slashes", |ask, _| path(ask, |path| format!("/{path}"))),
    ("a dot segment", |ask, _| path(ask, |path| format!("/.{path}"))),
    ("through the dashboard", |ask, _| {
        path(ask, |path| format!("/wp-admin/..%2f{}", path.trim_start_matches('/')))
    }),
    ("through the assets", |ask, _| path(ask, |path| format!("/wp-content/..{path}"))),
];

fn host(agent: &Agent) -> String {
    format!("{}.example", agent.canary)
}

fn host_url(agent: &Agent) -> String {
    format!("https://{}", host(agent))
}

fn query(mut ask: Ask, more: &str) -> Ask {
    let mark = if ask.target.contains('?') { '&' } else { '?' };
    ask.target = format!("{}{mark}{more}", ask.target);
    ask
}

fn path(mut ask: Ask, change: impl Fn(&str) -> String) -> Ask {
    ask.target = match ask.target.split_once('?') {
        Some((path, query)) => format!("{}?{query}", change(path)),
        None => change(&ask.target),
    };
    ask
}

/// The agent's cookies for this page; one at least.
fn cookies(agent: &Agent, ask: &Ask) -> Vec<String> {
    let path = ask.target.split('?').next().unwrap_or_default();
    let cookies = agent.viewer.jar.header(path).unwrap_or_else(|| "_ga=1".to_owned());
    cookies.split("; ").map(str::to_owned).collect()
}
