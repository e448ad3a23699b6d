//! What a reload replaces, all at once: the distributions, their origins, and where viewers are.
//!
//! It finds the distribution a request is for; which of several that is, the core says (§17.2).

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue};

use super::quota::Quota;
use crate::distribution::most_specific;
use crate::exchange::Rules;
use crate::proxy::access_log::AccessLog;
use crate::proxy::fetch::Origins;
use crate::proxy::geo::Locator;
use crate::viewer::Request;
use crate::viewer::deployment::{self, Side};
use crate::viewer::facts::{self, FieldsSent};

/// What is in force.
#[derive(Debug)]
pub struct Running {
    /// At least one.
    sites: Vec<Site>,
    /// Who is asked.
    pub origins: Arc<Origins>,
    locator: Arc<Locator>,
    /// Whether anything depends on how many fields a viewer sends, and in which order.
    fields_matter: bool,
}

/// One distribution.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) rules: Arc<Rules>,
    places: Places,
    /// How many requests it answers in a second, where that is bounded.
    pub(super) quota: Option<Quota>,
    /// The staging distribution its policy leads to (§17.1).
    staging: Option<Box<Site>>,
}

/// Whether anything of a distribution depends on where its viewers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Places {
    Matter,
    DoNotMatter,
}

impl Running {
    /// One distribution, and nobody who knows where viewers are.
    pub fn new(rules: Arc<Rules>, origins: Arc<Origins>) -> Self {
        let fields_matter = facts::needs_fields_sent(&rules.distribution);
        Self { sites: vec![Site::new(rules)], origins, locator: Arc::default(), fields_matter }
    }

    /// A further distribution.
    #[must_use]
    pub fn and(mut self, rules: Arc<Rules>) -> Self {
        self.fields_matter |= facts::needs_fields_sent(&rules.distribution);
        self.sites.push(Site::new(rules));
        self
    }

    /// The staging distribution of the one that was added last. It is reached through that one alone, under its names.
    #[must_use]
    pub fn staged(mut self, rules: Arc<Rules>) -> Self {
        self.fields_matter |= facts::needs_fields_sent(&rules.distribution);
        if let Some(primary) = self.sites.last_mut() {
            primary.staging = Some(Box::new(Site::new(rules)));
        }
        self
    }

    /// So many requests a second for each distribution; what comes on top is 503 (§8.2).
    #[must_use]
    pub fn limited_to(mut self, per_second: Option<NonZeroU32>) -> Self {
        for site in &mut self.sites {
            site.quota = per_second.map(Quota::new);
            if let Some(staging) = &mut site.staging {
                staging.quota = per_second.map(Quota::new);
            }
        }
        self
    }

    /// Somebody who knows where viewers are.
    #[must_use]
    pub fn located_by(mut self, locator: Arc<Locator>) -> Self {
        self.locator = locator;
        self
    }

    /// What the first distribution decides by.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.sites[0].rules
    }

    /// What each distribution decides by.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Rules>> {
        let staging = self.sites.iter().filter_map(|site| site.staging.as_deref());
        self.sites.iter().chain(staging).map(|site| &site.rules)
    }

    /// The distribution for this host; the first answers for hosts that are nobody's.
    fn site(&self, request: &Request) -> &Site {
        if self.sites.len() == 1 {
            return &self.sites[0];
        }
        let host = request.host_name();
        let distributions = self.sites.iter().map(|site| &site.rules.distribution);
        &self.sites[most_specific(distributions, host).unwrap_or(0)]
    }

    /// The distribution that answers this request: the one for its host, or the staging distribution of that; then
    /// `set_cookie` is what the viewer is told to stay there.
    pub(super) fn choose(
        &self,
        request: &mut Request,
        id: &HeaderValue,
        now: SystemTime,
        set_cookie: &mut Option<HeaderValue>,
    ) -> &Site {
        let site = self.site(request);
        let Some(staging) = &site.staging else { return site };
        let choice = deployment::choose(&site.rules.distribution, request, id, now);
        *set_cookie = choice.set_cookie;
        match choice.side {
            Side::Primary => site,
            Side::Staging => staging,
        }
    }

    /// What a viewer's head was like, if anything depends on it.
    pub(super) fn fields_sent(&self, headers: &HeaderMap) -> Option<Box<FieldsSent>> {
        self.fields_matter.then(|| Box::new(FieldsSent::of(headers)))
    }

    /// Where the request comes from, if anything depends on it, or a log tells it.
    pub(super) fn locate(&self, request: &mut Request, site: &Site, log: Option<&AccessLog>) {
        if site.places == Places::Matter || log.is_some_and(AccessLog::tells_places) {
            request.location = self.locator.locate(request);
        }
    }
}

impl Site {
    fn new(rules: Arc<Rules>) -> Self {
        let matter = facts::needs_location(&rules.distribution);
        let places = if matter { Places::Matter } else { Places::DoNotMatter };
        Self { places, quota: None, rules, staging: None }
    }
}
