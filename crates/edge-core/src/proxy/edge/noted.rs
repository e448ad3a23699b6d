//! Where notes for the access log begin. Without a log there are none.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Version};
use tokio::time::Instant;

use super::form::Form;
use super::{Edge, Viewer};
use crate::exchange::{self, Rules};
use crate::proxy::access_log::Note;
use crate::proxy::body::Body;
use crate::viewer::Refusal;

impl Edge {
    /// Refuses a head the listener would not read.
    pub fn refuse_unread(&self, refusal: Refusal, viewer: &Viewer) -> http::Response<Body> {
        let inner = &*self.0;
        let form = Form { version: Version::HTTP_11, head: false, arrived: Instant::now() };
        let running = inner.running.load();
        let (rules, id) = (running.rules(), inner.ids.next());
        let response = exchange::refuse_unread(&rules.place, refusal, &id, inner.clock.now());
        let mut response = form.plain(response);
        let note = self.note(None, viewer, (&id, rules), form).and_then(|note| note.refused(refusal));
        if let Some(note) = note {
            note.answered(&mut response);
        }
        response
    }

    /// A note for the access log, if there is one.
    pub(super) fn note(
        &self,
        parts: Option<&Parts>,
        viewer: &Viewer,
        of: (&HeaderValue, &Arc<Rules>),
        form: Form,
    ) -> Option<Note> {
        let log = self.0.log.as_ref()?;
        Some(Note::new((log, &self.0.clock), parts, viewer, of, form.arrived))
    }
}
