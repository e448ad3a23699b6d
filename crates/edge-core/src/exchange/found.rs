//! What the store holds, judged: an answer, an answer and a refresh behind the viewer's back, or a question for the origin.

use std::time::{Duration, SystemTime};

use http::HeaderValue;
use http::Method;
use http::header::{AUTHORIZATION, COOKIE};

use super::{Answer, Ask, LookUp, Passage, Rules, Standing, Step, StoodIn, Trace, serve};
use crate::cache::invalidation::Subject;
use crate::cache::reuse::{self, Revalidation, Verdict};
use crate::cache::storing::Guard;
use crate::cache::{Epoch, Held, Holds, Key};
use crate::header::cookie;
use crate::response::XCache;
use crate::viewer::Request;

impl LookUp {
    /// What to look for.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What the viewer asked for, where the key has what a function made of it: an invalidation of either is one of what is
    /// held (§13.1).
    pub fn asked_for(&self) -> Option<Subject<'_>> {
        self.passage.asked.as_ref().map(|asked| Subject::asked(&self.key, asked))
    }

    /// What was decided so far.
    pub fn trace(&self) -> &Trace {
        &self.passage.trace
    }

    /// The request, as the viewer-request function left it.
    pub fn request(&self) -> &Request {
        self.passage.request()
    }

    /// The rules this exchange goes by.
    pub fn rules(&self) -> &Rules {
        &self.passage.rules
    }

    /// The origin to know about before the verdict on what is held: this is left alone because that one failed (§7.4).
    /// With the guard on that ends early, with its outage.
    pub fn waits_for(&self, held: Held<'_>) -> Option<usize> {
        let waits = self.passage.rules.guard == Guard::On && held.head.held_over.is_some();
        waits.then(|| self.passage.origin_of(self.passage.first_turn()).0)
    }

    /// When the last outage of that origin was over.
    pub fn knowing(mut self, origin: Standing) -> Self {
        self.passage.origin_back_since = origin.back_since();
        self
    }

    /// The store holds this, or nothing. `since` is the place in the sequence of invalidations, taken before the store
    /// was asked.
    pub fn found(mut self, held: Option<Held<'_>>, since: Epoch, now: SystemTime) -> Step {
        (self.passage.since, self.passage.looked_up_at) = (since, now);
        let Some(held) = held else { return self.ask(Verdict::Absent, None) };
        if !self.passage.is_content_with(held) {
            return self.ask(Verdict::Lacking, None);
        }
        let verdict = self.passage.judge(held, now);
        match &verdict {
            Verdict::Fresh { .. } => {}
            Verdict::HeldOver { .. } => self.passage.trace.stood_in = Some(StoodIn::WithoutAsking),
            Verdict::Refreshing { .. } => {
                let refresh = self.passage.refresh(self.key, held, now);
                self.passage.trace.found = Some(verdict);
                return match self.passage.serve(held, XCache::Hit, None, now) {
                    Step::Answer(answer) => {
                        Step::Answer(Answer { refresh: Some(Box::new(refresh)), ..answer })
                    }
                    step => step,
                };
            }
            Verdict::Absent | Verdict::Lacking | Verdict::Stale { .. } => {
                return self.ask(verdict, Some(held));
            }
        }
        self.passage.trace.found = Some(verdict);
        self.passage.serve(held, XCache::Hit, None, now)
    }

    fn ask(mut self, verdict: Verdict, held: Option<Held<'_>>) -> Step {
        let conditions = match &verdict {
            Verdict::Stale { conditions, .. } => conditions.clone(),
            _ => None,
        };
        self.passage.trace.found = Some(verdict);
        Step::Ask(Box::new(Ask::new(self.passage, Some(self.key), held, conditions)))
    }
}

impl Passage {
    fn judge(&self, held: Held<'_>, now: SystemTime) -> Verdict {
        reuse::judge(held.head, self.revalidation(), self.origin_back_since, now)
    }

    /// Whether the edge's own validators go along (§7.8).
    fn revalidation(&self) -> Revalidation {
        if self.may_share() { Revalidation::Allowed } else { Revalidation::Off }
    }

    /// Whether as much is held as this request wants.
    pub(super) fn is_content_with(&self, held: Held<'_>) -> bool {
        match &held.head.holds {
            Holds::Whole => true,
            // A page of its own replaces the error.
            Holds::Head => self.request().method == Method::HEAD || self.page_for(held.head.status).is_some(),
            Holds::Parts(parts) => match self.cut(held, &held.head.headers) {
                serve::Cut::Spans { spans, .. } => spans.iter().all(|span| parts.holds(*span)),
                serve::Cut::Uncut | serve::Cut::Nowhere { .. } => false,
            },
        }
    }

    /// The request that brings a stale object up to date for everybody: this viewer's conditions are not in it, and with
    /// the guard on nothing of his that the key does not hold, as nothing was in the request that brought the object.
    fn refresh(&self, key: Key, held: Held<'_>, now: SystemTime) -> Ask {
        let mut passage = self.clone();
        passage.admitted.request.ask_for_all();
        passage.background = true;
        if passage.rules.guard == Guard::On {
            let keyed = &passage.rules.distribution.behavior(passage.admitted.behavior).key;
            let headers = &mut passage.admitted.request.headers;
            if !keyed.headers.contains(&AUTHORIZATION) {
                headers.remove(AUTHORIZATION);
            }
            let mut cookies = Vec::new();
            if let Some(all) = headers.remove(COOKIE)
                && cookie::select(all.as_bytes(), &keyed.cookies, &mut cookies)
                && let Ok(cookies) = HeaderValue::from_bytes(&cookies)
            {
                headers.insert(COOKIE, cookies);
            }
        }
        let conditions = match passage.judge(held, now) {
            Verdict::Refreshing { conditions, .. } => conditions,
            _ => None,
        };
        passage.trace.found =
            Some(Verdict::Stale { expired_for: Duration::ZERO, conditions: conditions.clone() });
        Ask::new(passage, Some(key), Some(held), conditions)
    }
}
