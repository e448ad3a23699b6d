//! Who takes part in the leak test, and by which texts each would be known on somebody else's page.

use super::client::{Ask, DESKTOP, Protocol, Viewer};
use super::edge::Edge;
use super::people::{comment, member, nonce, unlock};
use super::site::Site;

/// A phone's.
pub(crate) const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

/// A viewer, and what only this viewer may ever read.
pub(crate) struct Agent {
    pub(crate) name: &'static str,
    pub(crate) viewer: Viewer,
    /// Texts of a session. Empty: nobody in particular.
    pub(crate) secrets: Vec<String>,
    /// A text this agent sends wherever it can: on another's page it is poison.
    pub(crate) canary: String,
    /// For REST; empty for whoever is not logged in.
    pub(crate) nonce: String,
}

impl Agent {
    fn new(name: &'static str, viewer: Viewer, secrets: Vec<String>) -> Self {
        Self { name, viewer, secrets, canary: format!("canary{}e", token(name)), nonce: String::new() }
    }

    pub(crate) fn is_personal(&self) -> bool {
        !self.secrets.is_empty()
    }

    /// Whether WordPress shows this agent such a text with good reason: moderators see whose comments wait.
    pub(crate) fn moderates(&self, target: &str) -> bool {
        self.name == "admin" && target.contains("wp-admin")
    }
}

/// A word nobody else has: the same for the same name in every run.
fn token(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Nine of them: four with something to lose, five without.
pub(crate) async fn gather(site: &Site, edge: &Edge) -> Vec<Agent> {
    let mut agents = Vec::new();
    for user in ["admin", "subscriber"] {
        let viewer = member(site, edge, user).await;
        let secret = viewer.get("/wp-admin/profile.php").await.secret();
        assert!(secret.starts_with(user), "{user} has no secret");
        let mut agent = Agent::new(user, viewer, vec![secret]);
        agent.nonce = nonce(&agent.viewer).await;
        agents.push(agent);
    }
    agents[0].secrets.push(site.text("/private_post/secret"));

    let name = format!("Cora{}", token(edge.authority.as_str()));
    let mut viewer = edge.viewer();
    comment(site, &mut viewer, 1, &name, &format!("{name}@example.test"), &format!("{name} was here")).await;
    agents.push(Agent::new("commenter", viewer, vec![name]));

    let mut viewer = edge.viewer().agent(PHONE);
    unlock(site, &mut viewer).await;
    agents.push(Agent::new("holder of the password", viewer, vec![site.text("/protected_post/secret")]));
    for agent in &mut agents {
        let values: Vec<String> =
            agent.viewer.jar.pairs().filter_map(|(name, value)| credential(name, value)).collect();
        agent.secrets.extend(values);
    }

    agents.push(Agent::new("nobody", edge.viewer(), Vec::new()));
    agents.push(Agent::new("nobody with a phone", edge.viewer().agent(PHONE), Vec::new()));
    let mut viewer = edge.viewer();
    for (name, value) in [("_ga", "GA1.2.3.4"), ("_gid", "GA1.2.5.6"), ("_fbp", "fb.1.2.3")] {
        viewer.jar.put(name, value);
    }
    agents.push(Agent::new("nobody with analytics", viewer, Vec::new()));
    let mut viewer = edge.viewer().by(Protocol::H1);
    viewer.visit(Ask::get("/wp-login.php")).await;
    viewer.jar.put("wp-settings-1", "editor%3Dtinymce");
    agents.push(Agent::new("nobody who saw the log-in page", viewer, Vec::new()));
    let mut viewer = edge.viewer().agent(DESKTOP).by(Protocol::H1);
    let hash = site.text("/cookie_hash");
    viewer.jar.put(&format!("xwordpress_logged_in_{hash}"), "admin%7C1");
    viewer.jar.put(&format!("WORDPRESS_LOGGED_IN_{hash}"), "admin%7C1");
    viewer.jar.put(&format!("wordpress.logged_in_{hash}"), "admin%7C1");
    agents.push(Agent::new("nobody who looks like somebody", viewer, Vec::new()));
    agents
}

/// The part of a cookie that only its owner knows.
fn credential(name: &str, value: &str) -> Option<String> {
    let is_session =
        ["wordpress_sec_", "wordpress_logged_in_", "wp-postpass_"].iter().any(|mark| name.starts_with(mark));
    is_session.then(|| value.rsplit("%7C").next().unwrap_or(value).to_owned())
}
