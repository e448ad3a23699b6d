//! The cache as the CloudFront reference describes it, written to be read and not to be fast: a list of stored things,
//! searched from end to end.
//!
//! It was written from the reference and the guard's promises, and knows nothing of the engine. Where the reference
//! leaves something open, `fixtures/divergences.toml` says what was chosen. An origin answers at once here, so what is
//! fetched behind a viewer's back is there when the next step begins.

use super::sequence::{
    Answer, Asked, Cookies, Meanwhile, Origin, PAGE, Range, Reply, Request, Step, Trouble,
};
use super::sequence::{World, etag};

/// A stored thing.
#[derive(Debug, Clone)]
struct Thing {
    key: (String, Option<String>),
    status: u16,
    cache_control: String,
    etag: Option<String>,
    set_cookie: bool,
    holds: Holds,
    /// The body; of what came in parts, the bytes that are there.
    bytes: Vec<Option<u8>>,
    /// Stored, or last confirmed.
    since: u64,
    /// How old it was by then.
    age: u64,
    /// Fresh for so long.
    ttl: u64,
    /// `no-cache`: confirmed each time.
    each_time: bool,
    /// The origin failed, and is not asked from the first to the second.
    left_alone: (u64, u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Whole,
    Head,
    Parts,
}

/// What those get who asked for the same while the origin was asked.
enum Others {
    /// This as well.
    Share(Box<Thing>),
    /// The same answer: it came without the origin.
    Same,
    /// They ask for themselves.
    Nothing,
}

pub(crate) struct Model {
    world: World,
    now: u64,
    origin: Origin,
    version: u32,
    /// How often it failed in a row, and when it answered again after that was an outage.
    failures: u32,
    back_since: Option<u64>,
    stored: Vec<Thing>,
    asked: Vec<Asked>,
    /// What was asked last was asked in nobody's name: no HEAD, no range, no condition of a viewer's.
    is_for_all: bool,
    /// What was asked last was a range.
    is_range: bool,
    /// Nobody waits for it.
    is_behind: bool,
}

impl Model {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world,
            now: 0,
            origin: Origin::default(),
            version: 1,
            failures: 0,
            back_since: None,
            stored: Vec::new(),
            asked: Vec::new(),
            is_for_all: false,
            is_range: false,
            is_behind: false,
        }
    }

    /// What viewers get, and what the origin is asked.
    pub(crate) fn step(&mut self, step: &Step) -> (Vec<Reply>, Vec<Asked>) {
        let mut replies = Vec::new();
        match step {
            Step::Origin(origin) => {
                // It moves to where nobody listens, or back: of another origin nothing is known.
                if (origin.trouble == Trouble::Refuses) != (self.origin.trouble == Trouble::Refuses) {
                    (self.failures, self.back_since) = (0, None);
                }
                self.origin = *origin;
            }
            Step::Edit => self.version += 1,
            Step::Pass(seconds) => self.now += seconds,
            Step::Invalidate(pattern) => self.invalidate(pattern),
            Step::Visit(request, meanwhile) => replies = self.visit(request, *meanwhile),
        }
        let mut asked = std::mem::take(&mut self.asked);
        asked.sort();
        (replies, asked)
    }

    fn visit(&mut self, request: &Request, meanwhile: Meanwhile) -> Vec<Reply> {
        let before = self.stored.clone();
        let (first, others) = self.request(request);
        // Which of two is done first makes no difference to anybody.
        let meanwhile =
            if meanwhile == Meanwhile::Overtaken { Meanwhile::Again(Some("/*")) } else { meanwhile };
        match meanwhile {
            // What others may want is fetched to its end without him.
            Meanwhile::Nothing | Meanwhile::Leaves | Meanwhile::Overtaken => vec![first],
            Meanwhile::Invalidated(pattern) | Meanwhile::InvalidatedInBody(pattern) => {
                self.invalidate(pattern);
                vec![first]
            }
            Meanwhile::Again(Some(pattern)) if covers(pattern, &self.key(request).0) => {
                // Who comes after an invalidation gets nothing of what was asked before; nor does the cache.
                self.stored = before;
                self.invalidate(pattern);
                vec![first, self.request(request).0]
            }
            Meanwhile::Again(pattern) => {
                let second = match others {
                    Others::Same => first.clone(),
                    Others::Share(thing) => {
                        // What arrives is not cut (§7.12).
                        let range = request.range.filter(|_| first.x_cache != "Miss");
                        let shared = self.serve(&thing, &Request { range, ..request.clone() }, "Hit");
                        Reply { cut: first.cut && shared.status != 304, ..shared }
                    }
                    Others::Nothing => {
                        self.stored = before;
                        self.request(request).0
                    }
                };
                pattern.into_iter().for_each(|pattern| self.invalidate(pattern));
                vec![first, second]
            }
        }
    }

    /// One request, and what it does to the cache.
    fn request(&mut self, request: &Request) -> (Reply, Others) {
        let key = self.key(request);
        let held = self.stored.iter().find(|thing| thing.key == key).cloned();
        let Some(thing) = held.filter(|thing| is_enough(thing, request)) else {
            return self.ask(request, None);
        };
        let is_fresh = !thing.each_time && self.now < thing.since + thing.ttl;
        let waits = self.now < thing.left_alone.1 && self.stands_in(&thing);
        if is_fresh || waits && self.is_left_alone(&thing) {
            return (self.serve(&thing, request, "Hit"), Others::Nothing);
        }
        // He would have had it without anybody being asked; now somebody is, behind his back.
        let may_wait = waits && !thing.each_time && thing.holds != Holds::Parts;
        if may_wait || self.may_refresh_behind(&thing) {
            let reply = self.serve(&thing, request, "Hit");
            // For everybody: whole, and unconditional; the guard leaves behind what is one viewer's.
            let named = self.world.guarded && self.world.cookies == Cookies::Forwarded;
            let cookie = request.cookie.filter(|_| !named);
            let whole = Request { head: false, range: None, if_none_match: None, cookie, ..request.clone() };
            self.is_behind = true;
            self.ask(&whole, Some(thing));
            self.is_behind = false;
            return (reply, Others::Same);
        }
        self.ask(request, Some(thing))
    }

    /// To the origin; `held` is stale, and enough for the request.
    fn ask(&mut self, request: &Request, held: Option<Thing>) -> (Reply, Others) {
        let validator = held
            .as_ref()
            .filter(|thing| thing.status < 400 && thing.holds != Holds::Parts && self.shares(request))
            .and_then(|thing| thing.etag.clone());
        let held_whole = held.as_ref().is_some_and(|thing| thing.holds == Holds::Whole);
        let asked = Asked {
            head: request.head,
            target: self.key(request).0,
            cookie: request.cookie.filter(|_| self.world.cookies != Cookies::Dropped).map(str::to_owned),
            if_none_match: validator.clone().or_else(|| self.condition(request)),
            range: request.range.filter(|_| !request.head && !held_whole).map(Range::field),
        };
        self.is_range = asked.range.is_some();
        self.is_for_all = !asked.head && asked.range.is_none() && asked.if_none_match == validator;
        if self.origin.trouble != Trouble::Refuses {
            self.asked.push(asked.clone());
        }
        let answer = self.origin.answer(&asked, self.version);
        self.note(answer.as_ref());
        match (answer, held) {
            (Some(answer), Some(thing)) if answer.status == 304 && validator.is_some() => {
                self.confirm(thing, &answer, request)
            }
            (None, Some(thing)) if self.stands_in(&thing) => self.stand_in(thing, request),
            (Some(answer), Some(thing)) if answer.status >= 500 && self.stands_in(&thing) => {
                self.stand_in(thing, request)
            }
            // The guard begins no body that may break off while something older is at hand.
            (Some(answer), Some(thing))
                if answer.cut
                    && self.holds_back(&thing)
                    && !request.head
                    && self.would_keep(&answer, request) =>
            {
                let (reply, others) = self.stand_in(thing, request);
                // Its head, which came whole, released those for whom its body would not have been.
                let lifetime = self.lifetime(answer.status, answer.cache_control, answer.age);
                let for_all = matches!(lifetime, Some((ttl, false)) if ttl > 0);
                (reply, if for_all { others } else { Others::Nothing })
            }
            // The page the edge writes then is kept like the origin's own errors (§7.2).
            (None, _) => {
                let page = Answer { status: 502, body: PAGE.to_owned(), ..Answer::default() };
                self.deliver(&page, request)
            }
            (Some(answer), _) => self.deliver(&answer, request),
        }
    }

    /// §7.8: what is held lives on, with what the 304 says.
    fn confirm(&mut self, mut thing: Thing, answer: &Answer, request: &Request) -> (Reply, Others) {
        self.forget(&thing.key);
        (thing.since, thing.age) = (self.now, answer.age);
        thing.left_alone = (0, 0);
        if !answer.cache_control.is_empty() {
            answer.cache_control.clone_into(&mut thing.cache_control);
        }
        let reply = self.serve(&thing, request, "RefreshHit");
        let lifetime = self.lifetime(thing.status, &thing.cache_control, answer.age);
        match lifetime.filter(|_| !self.withholds(&thing.cache_control, answer, request)) {
            Some((ttl, each_time)) => {
                (thing.ttl, thing.each_time) = (ttl, each_time);
                self.stored.push(thing.clone());
                (reply, self.others(thing, request))
            }
            None => (reply, Others::Nothing),
        }
    }

    /// With the guard on, an origin that failed is left alone no longer than its outage lasts: three failures in a row,
    /// and then an answer.
    fn note(&mut self, answer: Option<&Answer>) {
        if answer.is_none_or(|answer| answer.status >= 500) {
            self.failures += 1;
            return;
        }
        if self.failures >= 3 && self.world.guarded {
            self.back_since = Some(self.now);
        }
        self.failures = 0;
    }

    fn is_left_alone(&self, thing: &Thing) -> bool {
        self.back_since.is_none_or(|back| back <= thing.left_alone.0)
    }

    /// §7.4: what is stale answers for an origin that fails, which is then left alone for a while.
    fn stand_in(&mut self, mut thing: Thing, request: &Request) -> (Reply, Others) {
        thing.left_alone = (self.now, self.now + self.world.error_ttl);
        self.forget(&thing.key);
        self.stored.push(thing.clone());
        (self.serve(&thing, request, "Hit"), self.others(thing, request))
    }

    /// The origin's answer goes to the viewer, and into the cache if it may.
    fn deliver(&mut self, answer: &Answer, request: &Request) -> (Reply, Others) {
        let set_cookie = answer.set_cookie && self.world.cookies != Cookies::Dropped; // §7.6
        let reply = Reply {
            status: answer.status,
            x_cache: if answer.status >= 400 { "Error" } else { "Miss" },
            age: Some(answer.age).filter(|age| *age > 0), // the origin's own (§8.3)
            content_range: answer.part.map(|(first, last, length)| format!("bytes {first}-{last}/{length}")),
            etag: answer.etag.clone(),
            body: if request.head { String::new() } else { answer.body.clone() },
            cut: answer.cut,
            set_cookie,
        };
        let whole_status = if answer.part.is_some() { 200 } else { answer.status };
        // §3: a head is no object. It answers HEAD, and takes the place of nothing that can do more.
        let key = self.key(request);
        let in_the_way = |thing: &Thing| thing.key == key && thing.holds != Holds::Head;
        let displaces = request.head && self.stored.iter().any(in_the_way);
        // An error may be for the range that was asked for; and what is held of the whole is good all the same.
        let is_ours = answer.body == PAGE;
        // What is fetched behind a viewer's back is about what he got, be that a head.
        let lacks =
            !self.is_behind && self.stored.iter().any(|thing| thing.key == key && !is_enough(thing, request));
        let is_of_one = answer.status >= 400 && (self.is_range && !is_ours || lacks);
        let lifetime = self.lifetime(whole_status, answer.cache_control, answer.age);
        // What everybody would get, and nobody may keep, ends what was kept before.
        let is_final = answer.status < 300 || self.is_behind && (400..500).contains(&answer.status);
        if lifetime.is_none() && is_final && self.is_for_all && self.shares(request) && !lacks {
            self.forget(&key);
        }
        let may_keep = !displaces && !is_of_one && !self.withholds(answer.cache_control, answer, request);
        let Some((ttl, each_time)) = lifetime.filter(|_| may_keep) else {
            return (reply, Others::Nothing);
        };
        let mut thing = Thing {
            key,
            status: whole_status,
            cache_control: answer.cache_control.to_owned(),
            etag: answer.etag.clone(),
            set_cookie,
            holds: Holds::Whole,
            bytes: answer.body.bytes().map(Some).collect(),
            since: self.now,
            age: answer.age,
            ttl,
            each_time,
            left_alone: (0, 0),
        };
        if request.head {
            (thing.holds, thing.bytes) = (Holds::Head, Vec::new());
        }
        if let Some((first, _, length)) = answer.part {
            thing.holds = Holds::Parts;
            thing.bytes = vec![None; length as usize];
            for (at, byte) in answer.body.bytes().enumerate() {
                thing.bytes[first as usize + at] = Some(byte);
            }
            self.combine(&mut thing);
        }
        if !answer.cut {
            self.forget(&thing.key);
            self.stored.push(thing.clone());
        }
        (reply, self.others(thing, request))
    }

    /// RFC 9111 §3.4: parts of the same representation come together, and what is newer is said of all of them.
    fn combine(&self, thing: &mut Thing) {
        let same = |held: &&Thing| {
            held.key == thing.key
                && held.holds == Holds::Parts
                && held.etag.is_some()
                && held.etag == thing.etag
                && held.bytes.len() == thing.bytes.len()
        };
        if let Some(held) = self.stored.iter().find(same) {
            for (byte, held) in thing.bytes.iter_mut().zip(&held.bytes) {
                *byte = byte.or(*held);
            }
            if thing.bytes.iter().all(Option::is_some) {
                thing.holds = Holds::Whole;
            }
        }
    }

    /// Answers from what is stored: its conditions first, then its ranges.
    fn serve(&self, thing: &Thing, request: &Request, x_cache: &'static str) -> Reply {
        let mut reply = Reply {
            status: thing.status,
            x_cache: if thing.status >= 400 { "Error" } else { x_cache },
            age: (x_cache == "Hit").then(|| self.now - thing.since + thing.age),
            etag: thing.etag.clone(),
            set_cookie: thing.set_cookie,
            ..Reply::default()
        };
        let theirs = self.condition(request);
        if thing.status == 200 && theirs.is_some() && theirs == thing.etag {
            return Reply { status: 304, ..reply };
        }
        if request.head || thing.holds == Holds::Head {
            return reply;
        }
        let length = thing.bytes.len() as u64;
        let mut span = (0, length - 1);
        if let Some(range) = request.range.filter(|_| thing.status == 200) {
            let content_range = |what| Some(format!("bytes {what}/{length}"));
            let Some((first, last)) = range.of(length) else {
                let content_range = content_range("*".to_owned());
                let body = PAGE.to_owned();
                return Reply { status: 416, x_cache: "Error", body, content_range, ..Reply::default() };
            };
            span = (first, last);
            (reply.status, reply.content_range) = (206, content_range(format!("{first}-{last}")));
        }
        let bytes = thing.bytes[span.0 as usize..=span.1 as usize].iter().map(|byte| byte.unwrap_or(b'?'));
        reply.body = bytes.map(char::from).collect();
        reply
    }

    /// The ETag the viewer names.
    fn condition(&self, request: &Request) -> Option<String> {
        request.if_none_match.map(|ago| etag(self.version.saturating_sub(ago), None))
    }

    /// §7.1 to §7.3: for how long it is fresh, and whether it is confirmed each time nevertheless; `None`: not stored.
    fn lifetime(&self, status: u16, cache_control: &str, age: u64) -> Option<(u64, bool)> {
        let (min, default, max) = self.world.ttl;
        let has = |name| directive(cache_control, name).is_some();
        let said = directive(cache_control, "s-maxage").or(directive(cache_control, "max-age"));
        // What is old already has used up some of what was promised for it (RFC 9111 §4.2).
        let said = said.map(|said| said.saturating_sub(age));
        let forbids = has("no-store") || has("private") || has("no-cache");
        let as_error = self.world.error_ttl.max(said.filter(|_| !forbids).unwrap_or_default().min(max));
        match status {
            _ if max == 0 => None,
            404 if forbids => None,
            403 if said.is_none() => None,
            403 | 404 | 500 | 502 | 503 => Some((as_error, false)).filter(|(ttl, _)| *ttl > 0),
            200 | 302 if has("no-cache") && !has("no-store") && !has("private") && min == 0 => {
                Some((0, true))
            }
            200 | 302 if forbids && min == 0 => None,
            200 | 302 if forbids => Some((min, false)),
            200 | 302 => Some((said.map_or(default.max(min), |said| said.clamp(min, max)), false)),
            _ => None,
        }
    }

    /// The guard: what is one viewer's is not shared.
    fn withholds(&self, cache_control: &str, answer: &Answer, request: &Request) -> bool {
        let says = |name| directive(cache_control, name).is_some();
        self.world.guarded
            && (answer.set_cookie
                || answer.vary
                || says("private")
                || says("no-store")
                || self.world.cookies == Cookies::Forwarded && request.cookie.is_some()
                || answer.by_close)
    }

    /// Whether a response would be kept for what it replaces.
    fn would_keep(&self, answer: &Answer, request: &Request) -> bool {
        let whole_status = if answer.part.is_some() { 200 } else { answer.status };
        whole_status < 400
            && self.lifetime(whole_status, answer.cache_control, answer.age).is_some()
            && !self.withholds(answer.cache_control, answer, request)
    }

    /// With the guard on, what is stale is at hand for a body that does not become whole.
    fn holds_back(&self, thing: &Thing) -> bool {
        self.world.guarded && !thing.each_time && self.stands_in(thing)
    }

    /// Whether a viewer would wait for the whole body before he sees any of it: then nothing happens to him meanwhile.
    pub(crate) fn is_held_back(&self, request: &Request) -> bool {
        let key = self.key(request);
        let held = self.stored.iter().find(|thing| thing.key == key && is_enough(thing, request));
        held.is_some_and(|thing| self.now >= thing.since + thing.ttl && self.holds_back(thing))
    }

    /// §7.4, §7.5: whether it may answer for an origin that fails.
    fn stands_in(&self, thing: &Thing) -> bool {
        let max = self.world.ttl.2;
        let expired_for = self.now.saturating_sub(thing.since + thing.ttl);
        thing.status < 400
            && directive(&thing.cache_control, "must-revalidate").is_none()
            && match directive(&thing.cache_control, "stale-if-error") {
                Some(seconds) => expired_for < seconds.min(max),
                None => self.now - thing.since < max,
            }
    }

    /// §7.5: whether a viewer gets it at once, and the origin is asked behind his back.
    fn may_refresh_behind(&self, thing: &Thing) -> bool {
        let (min, _, max) = self.world.ttl;
        let says = |name| directive(&thing.cache_control, name);
        let window = says("stale-while-revalidate").unwrap_or_default().min(max);
        // Without asking is not what these two are for, except where MinTTL says that no-cache does not count.
        let asks_first = says("must-revalidate").is_some() || says("no-cache").is_some() && min == 0;
        // Parts are not fetched whole for nobody.
        thing.status < 400
            && thing.holds != Holds::Parts
            && !asks_first
            && self.now - thing.since - thing.ttl < window
    }

    /// §7.11, §7.8: whether the edge revalidates and collapses for this request. Where cookies are forwarded CloudFront
    /// does not; the guard does for who has none.
    fn shares(&self, request: &Request) -> bool {
        self.world.cookies == Cookies::Dropped || self.world.guarded && request.cookie.is_none()
    }

    /// What those get who asked for the same at the same time. They wait where it may be for all of them.
    fn others(&self, thing: Thing, request: &Request) -> Others {
        if self.is_for_all && self.shares(request) && !thing.each_time && thing.ttl > 0 {
            Others::Share(Box::new(thing))
        } else {
            Others::Nothing
        }
    }

    /// Path with the query argument that counts, and the cookie if it does.
    fn key(&self, request: &Request) -> (String, Option<String>) {
        let argument =
            request.query.into_iter().flat_map(|query| query.split('&')).find(|pair| pair.starts_with("v="));
        let target = argument.map_or(request.path.to_owned(), |pair| format!("{}?{pair}", request.path));
        (target, request.cookie.filter(|_| self.world.cookies == Cookies::Keyed).map(str::to_owned))
    }

    fn forget(&mut self, key: &(String, Option<String>)) {
        self.stored.retain(|thing| thing.key != *key);
    }

    fn invalidate(&mut self, pattern: &str) {
        self.stored.retain(|thing| !covers(pattern, &thing.key.0));
    }
}

/// §13.1: exactly, or all that begins so.
fn covers(pattern: &str, target: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == target, |prefix| target.starts_with(prefix))
}

/// Whether what is held is what the request wants: a head has no body, of parts it must be the right ones.
fn is_enough(thing: &Thing, request: &Request) -> bool {
    match thing.holds {
        Holds::Whole => true,
        Holds::Head => request.head,
        Holds::Parts => {
            let span =
                request.range.filter(|_| !request.head).and_then(|range| range.of(thing.bytes.len() as u64));
            span.is_some_and(|(first, last)| {
                thing.bytes[first as usize..=last as usize].iter().all(Option::is_some)
            })
        }
    }
}

/// The value of a directive; zero if it has none.
fn directive(cache_control: &str, name: &str) -> Option<u64> {
    cache_control.split(", ").find_map(|directive| {
        let (found, value) = directive.split_once('=').unwrap_or((directive, "0"));
        (found == name).then(|| value.parse().unwrap_or_default())
    })
}
