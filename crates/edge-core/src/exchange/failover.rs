//! Which origin of a group is asked, and when the second one is (§5.9).

use std::fmt;

use http::{Method, StatusCode};

use super::{Ask, Outcome, Passage};
use crate::distribution::{Distribution, OptionsCaching, OriginGroup, Target};
use crate::function::reroute::Place;
use crate::origin::Failure;
use crate::viewer::Body;
use crate::viewer::traffic::Traffic;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is one origin. Index into [`Distribution::origins`].
    Only(usize),
    /// The first of a group. Index into [`Distribution::origin_groups`].
    Primary(usize),
    /// The second of a group; what it says is final.
    Secondary(usize),
}

impl Turn {
    /// Every request tries the primary first, even directly after a failover.
    fn first(target: Target) -> Self {
        match target {
            Target::Origin(index) => Self::Only(index),
            Target::Group(index) => Self::Primary(index),
        }
    }

    fn origin(self, distribution: &Distribution) -> usize {
        let member =
            |group: usize, of: fn(&OriginGroup) -> usize| distribution.origin_groups.get(group).map_or(0, of);
        match self {
            Self::Only(index) => index,
            Self::Primary(group) => member(group, |group| group.primary),
            Self::Secondary(group) => member(group, |group| group.secondary),
        }
    }
}

/// Why the second origin was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The first one answered with a status of the criteria.
    Status(StatusCode),
    /// It did not answer, and the criteria name the status that stands for this.
    Failed(Failure),
}

impl Because {
    /// The status of the criteria it came under.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Status(status) => status,
            Self::Failed(failure) => stands_for(failure).unwrap_or_else(|| failure.answer().0),
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the first origin answered {}", status.as_str())?,
            Self::Failed(failure) => write!(f, "the first origin did not answer ({failure})")?,
        }
        f.write_str(", which is among the group's failover criteria (§5.9)")
    }
}

impl Passage {
    /// Who is asked first: a function's choice, or the behavior's target.
    pub(super) fn first_turn(&self) -> Turn {
        match &self.reroute {
            None => Turn::first(self.behavior().target),
            Some(reroute) if reroute.secondary.is_some() => Turn::Primary(0), // of the function's own group
            Some(reroute) => Turn::Only(reroute.primary.index),
        }
    }

    /// The origin whose turn it is, and what a function made of it.
    pub(super) fn origin_of(&self, turn: Turn) -> (usize, Option<&Place>) {
        let Some(reroute) = &self.reroute else { return (turn.origin(&self.rules.distribution), None) };
        let place = match (turn, &reroute.secondary) {
            (Turn::Secondary(_), Some((place, _))) => place,
            _ => &reroute.primary,
        };
        (place.index, Some(place))
    }

    /// The statuses that lead from the first of this group to its second.
    fn failover_statuses(&self, group: usize) -> Option<&[StatusCode]> {
        match &self.reroute {
            Some(reroute) => Some(&reroute.secondary.as_ref()?.1),
            None => Some(&self.rules.distribution.origin_groups.get(group)?.failover_statuses),
        }
    }
}

impl Ask {
    /// Why the other origin of the group is to be asked, if it is.
    pub(super) fn fails_over(&self, outcome: &Outcome) -> Option<Because> {
        let Turn::Primary(group) = self.turn else { return None };
        if self.passage.request().traffic != Traffic::Messages {
            return None; // §11.4, §11.5
        }
        let criteria = self.passage.failover_statuses(group)?;
        // A body is gone with the first origin.
        let bodiless = self.passage.request().body == Body::None;
        let repeatable = bodiless
            && match self.passage.request().method {
                Method::GET | Method::HEAD => true,
                Method::OPTIONS => self.passage.behavior().options == OptionsCaching::On,
                _ => false,
            };
        let because = match outcome {
            Outcome::Response { status, .. } => (*status, Because::Status(*status)),
            Outcome::Failed(failure) => (stands_for(*failure)?, Because::Failed(*failure)),
        };
        (repeatable && criteria.contains(&because.0)).then_some(because.1)
    }

    /// The same question for the other origin.
    pub(super) fn of_the_second(self, because: Because) -> Self {
        let turn = match self.turn {
            Turn::Primary(group) | Turn::Secondary(group) => Turn::Secondary(group),
            only @ Turn::Only(_) => only,
        };
        let mut passage = self.passage;
        passage.trace.failed_over = Some(because);
        Self::to(turn, passage, self.key, self.held, self.conditions)
    }
}

/// Which listed status makes a failure count: 503 for a connection that did not come about, 504 for an answer that did
/// not come in time. *(unsure)* whether the 502 CloudFront itself would answer counts; here it does not (§18, vector 37).
fn stands_for(failure: Failure) -> Option<StatusCode> {
    match failure {
        Failure::Dns | Failure::Connect | Failure::ConnectTimeout => Some(StatusCode::SERVICE_UNAVAILABLE),
        Failure::ReadTimeout | Failure::CompletionTimeout => Some(StatusCode::GATEWAY_TIMEOUT),
        Failure::Closed
        | Failure::Invalid
        | Failure::HeadTooLarge
        | Failure::ContentRange
        | Failure::ViewerBody => None,
    }
}
