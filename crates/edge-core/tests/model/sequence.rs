//! What may happen, one thing after the other: the alphabet of the sequences, and how they are drawn.
//!
//! It knows neither the engine nor the model. What the origin answers is written down here once, for both.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A distribution, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    /// The guard is on.
    pub(crate) guarded: bool,
    /// MinTTL, DefaultTTL, MaxTTL in seconds.
    pub(crate) ttl: (u64, u64, u64),
    /// What becomes of the viewers' cookies.
    pub(crate) cookies: Cookies,
    /// ErrorCachingMinTTL of all errors, in seconds.
    pub(crate) error_ttl: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookies {
    Dropped,
    Forwarded,
    Keyed,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// From now on the origin is like this.
    Origin(Origin),
    /// What the origin has is changed: other bodies, other ETags.
    Edit,
    /// So many seconds go by.
    Pass(u64),
    Invalidate(&'static str),
    Visit(Request, Meanwhile),
}

/// A request. `v` is the one query argument in the key; no other goes to the origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) head: bool,
    pub(crate) path: &'static str,
    pub(crate) query: Option<&'static str>,
    pub(crate) range: Option<Range>,
    /// If-None-Match with the ETag of so many edits ago.
    pub(crate) if_none_match: Option<u32>,
    pub(crate) cookie: Option<&'static str>,
}

/// What else happens before a request is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Nothing,
    /// The viewer has the head, and leaves.
    Leaves,
    /// The same request comes once more, after this was invalidated.
    Again(Option<&'static str>),
    /// All is invalidated while the body arrives; the same request comes once more, and is done before.
    Overtaken,
    /// This is invalidated while the origin is asked, …
    Invalidated(&'static str),
    /// … or while the body arrives.
    InvalidatedInBody(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    FromTo(u64, u64),
    From(u64),
    Last(u64),
}

/// How the origin answers, until the next step that says otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) status: u16,
    pub(crate) cache_control: &'static str,
    /// How old its responses are already.
    pub(crate) age: u64,
    /// A 200 has an ETag, and If-None-Match is heeded.
    pub(crate) etag: bool,
    /// Range is heeded.
    pub(crate) ranges: bool,
    pub(crate) set_cookie: bool,
    pub(crate) vary: bool,
    pub(crate) framing: Framing,
    pub(crate) trouble: Trouble,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunked,
    /// The body ends with the connection.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Nobody listens.
    Refuses,
    /// It reads the request and resets the connection.
    Resets,
    /// It breaks off within the body.
    Cuts,
}

/// A request as the origin gets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) head: bool,
    pub(crate) target: String,
    pub(crate) cookie: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) range: Option<String>,
}

/// What a viewer sees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) x_cache: &'static str,
    pub(crate) age: Option<u64>,
    pub(crate) body: String,
    /// The body broke off.
    pub(crate) cut: bool,
    pub(crate) content_range: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) set_cookie: bool,
}

/// Stands for the body of any page the edge writes itself.
pub(crate) const PAGE: &str = "(a page of the edge's own)";

/// A response of the origin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cache_control: &'static str,
    pub(crate) age: u64,
    pub(crate) etag: Option<String>,
    pub(crate) set_cookie: bool,
    pub(crate) vary: bool,
    /// The bytes of a 206, and how many there are in all.
    pub(crate) part: Option<(u64, u64, u64)>,
    /// As a GET gets it.
    pub(crate) body: String,
    /// Where the body ends only the end of the connection tells.
    pub(crate) by_close: bool,
    /// Not all of the body comes.
    pub(crate) cut: bool,
}

impl Range {
    pub(crate) fn field(self) -> String {
        match self {
            Self::FromTo(first, last) => format!("bytes={first}-{last}"),
            Self::From(first) => format!("bytes={first}-"),
            Self::Last(count) => format!("bytes=-{count}"),
        }
    }

    /// First and last byte of so many; `None`: there are none such.
    pub(crate) fn of(self, length: u64) -> Option<(u64, u64)> {
        let (first, last) = match self {
            Self::FromTo(first, last) => (first, last.min(length - 1)),
            Self::From(first) => (first, length - 1),
            Self::Last(count) => (length.saturating_sub(count), length - 1),
        };
        (first < length).then_some((first, last))
    }

    fn read(field: &str) -> Option<Self> {
        let (first, last) = field.strip_prefix("bytes=")?.split_once('-')?;
        Some(match (first.parse().ok(), last.parse().ok()) {
            (Some(first), Some(last)) => Self::FromTo(first, last),
            (Some(first), None) => Self::From(first),
            (None, last) => Self::Last(last?),
        })
    }
}

impl Origin {
    /// What an origin in this mood says; `None` where it gives no answer at all. Everything it was told is in the body,
    /// so that a response to one viewer can be told from another's.
    pub(crate) fn answer(&self, asked: &Asked, version: u32) -> Option<Answer> {
        if matches!(self.trouble, Trouble::Refuses | Trouble::Resets) {
            return None;
        }
        let cookie = asked.cookie.as_deref().unwrap_or("nobody");
        let body = format!("{} for {cookie}, edition {version}, {}", asked.target, self.status);
        let etag = (self.etag && self.status == 200).then(|| etag(version, asked.cookie.as_deref()));
        let mut answer = Answer {
            status: self.status,
            cache_control: self.cache_control,
            age: self.age,
            set_cookie: self.set_cookie,
            vary: self.vary,
            part: None,
            by_close: self.framing == Framing::Close && !asked.head,
            cut: self.trouble == Trouble::Cuts && self.framing != Framing::Close && !asked.head,
            etag,
            body,
        };
        if answer.etag.is_some() && answer.etag == asked.if_none_match {
            let nothing = Answer { body: String::new(), cut: false, by_close: false, ..answer };
            return Some(Answer { status: 304, set_cookie: false, ..nothing });
        }
        let heeded = self.ranges && self.status == 200 && self.framing == Framing::Length && !asked.head;
        if let Some(range) = asked.range.as_deref().and_then(Range::read).filter(|_| heeded) {
            let length = answer.body.len() as u64;
            let Some((first, last)) = range.of(length) else {
                let body = "no such bytes".to_owned();
                return Some(Answer { status: 416, etag: None, body, ..answer });
            };
            answer.status = 206;
            answer.part = Some((first, last, length));
            answer.body = answer.body[first as usize..=last as usize].to_owned();
        }
        Some(answer)
    }
}

pub(crate) fn etag(version: u32, cookie: Option<&str>) -> String {
    format!("\"{version}{}\"", cookie.unwrap_or_default())
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let ttl =
        select(&[(0, 20, 100), (5, 20, 60), (0, 0, 60), (0, 30, 31_536_000), (30, 30, 30), (0, 0, 0)][..]);
    let cookies = select(&[Cookies::Dropped, Cookies::Forwarded, Cookies::Keyed][..]);
    (any::<bool>(), ttl, cookies, select(&[10, 3, 0][..]))
        .prop_map(|(guarded, ttl, cookies, error_ttl)| World { guarded, ttl, cookies, error_ttl })
}

/// A few scenes, one after the other.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(scene(), 1..9).prop_map(|scenes| scenes.concat())
}

/// Any steps; or those that show what an answer is kept for: it is given, time goes by, something is asked again.
fn scene() -> impl Strategy<Value = Vec<Step>> {
    let visit = || (request(), meanwhile()).prop_map(|(request, meanwhile)| Step::Visit(request, meanwhile));
    let again = (origin(), pass(), visit()).prop_map(|(origin, pass, visit)| {
        vec![Step::Origin(origin), Step::Visit(plain(None), Meanwhile::Nothing), pass, visit]
    });
    let parts =
        (range(), option::of(Just(Step::Edit)), range(), range()).prop_map(|(one, edit, other, third)| {
            let [one, other, third] =
                [one, other, third].map(|range| Step::Visit(plain(Some(range)), Meanwhile::Nothing));
            [Some(one), edit, Some(other), Some(third)].into_iter().flatten().collect()
        });
    let any = prop_oneof![
        6 => visit(),
        4 => origin().prop_map(Step::Origin),
        1 => Just(Step::Edit),
        3 => pass(),
        1 => pattern().prop_map(Step::Invalidate),
    ];
    prop_oneof![6 => vec(any, 1..5), 3 => again, 1 => parts]
}

fn plain(range: Option<Range>) -> Request {
    Request { head: false, path: "/a", query: None, range, if_none_match: None, cookie: None }
}

fn range() -> impl Strategy<Value = Range> {
    use Range::{From, FromTo, Last};
    select(&[FromTo(0, 5), FromTo(3, 8), FromTo(4, 900), From(6), Last(4), From(500)][..])
}

fn pass() -> impl Strategy<Value = Step> {
    select(&[1, 4, 5, 9, 10, 11, 20, 30, 60, 100, 500, 4_000][..]).prop_map(Step::Pass)
}

fn pattern() -> impl Strategy<Value = &'static str> {
    select(&["/a", "/a*", "/a?v=1", "/a?*", "/b", "/*", "/ab*"][..])
}

fn request() -> impl Strategy<Value = Request> {
    let path = prop_oneof![10 => Just("/a"), 1 => Just("/ab"), 1 => Just("/b")];
    let query = prop_oneof![10 => Just(None), 2 => Just(Some("v=1")), 1 => Just(Some("x=1&v=1")), 1 => Just(Some("x=2"))];
    let range = option::weighted(0.2, range());
    let cookie = option::weighted(0.3, select(&["s=1", "s=2"][..]));
    let condition = option::weighted(0.15, 0_u32..2);
    (prop::bool::weighted(0.15), path, query, range, condition, cookie).prop_map(
        |(head, path, query, range, if_none_match, cookie)| Request {
            head,
            path,
            query,
            range,
            if_none_match,
            cookie,
        },
    )
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    prop_oneof![
        12 => Just(Meanwhile::Nothing),
        1 => Just(Meanwhile::Leaves),
        2 => Just(Meanwhile::Again(None)),
        1 => pattern().prop_map(|path| Meanwhile::Again(Some(path))),
        1 => Just(Meanwhile::Overtaken),
        1 => pattern().prop_map(Meanwhile::Invalidated),
        1 => pattern().prop_map(Meanwhile::InvalidatedInBody),
    ]
}

const CACHE_CONTROLS: [&str; 18] = [
    "",
    "max-age=10",
    "max-age=0",
    "max-age=500",
    "max-age=5, s-maxage=20",
    "no-cache",
    "no-store",
    "private",
    "max-age=10, must-revalidate",
    "max-age=10, stale-while-revalidate=20",
    "max-age=10, stale-if-error=30",
    "max-age=10, stale-if-error=0",
    "max-age=5, stale-while-revalidate=10, stale-if-error=40",
    "max-age=10, stale-while-revalidate=5000, stale-if-error=5000",
    "no-cache, stale-if-error=20",
    "no-cache, stale-while-revalidate=20",
    "max-age=5, stale-while-revalidate=20, must-revalidate",
    "private, max-age=30",
];

fn origin() -> impl Strategy<Value = Origin> {
    let status = prop_oneof![
        8 => Just(200), 1 => Just(302), 1 => Just(403), 2 => Just(404), 2 => Just(500), 1 => Just(503)
    ];
    let framing =
        prop_oneof![6 => Just(Framing::Length), 1 => Just(Framing::Chunked), 1 => Just(Framing::Close)];
    let trouble = prop_oneof![
        8 => Just(Trouble::None), 2 => Just(Trouble::Refuses), 1 => Just(Trouble::Resets), 1 => Just(Trouble::Cuts)
    ];
    let rarely = || prop::bool::weighted(0.08);
    (
        status,
        select(&CACHE_CONTROLS[..]),
        prop_oneof![9 => Just(0), 1 => Just(3)],
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.8),
        rarely(),
        rarely(),
        framing,
        trouble,
    )
        .prop_map(|(status, cache_control, age, etag, ranges, set_cookie, vary, framing, trouble)| {
            Origin { status, cache_control, age, etag, ranges, set_cookie, vary, framing, trouble }
        })
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            status: 200,
            cache_control: "max-age=10",
            age: 0,
            etag: true,
            ranges: true,
            set_cookie: false,
            vary: false,
            framing: Framing::Length,
            trouble: Trouble::None,
        }
    }
}
