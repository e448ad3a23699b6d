//! From the command line to a distribution: an AWS document, an `edge.toml`, or flags alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use edge_core::distribution::problem::Severity;
use edge_core::distribution::{Distribution, Loaded, Problems, document};
use edge_core::site::{self, Bundle, Policy};

/// What to be, and where the real servers are.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct ConfigArgs {
    /// A distribution: JSON as `aws cloudfront get-distribution-config` prints it, a bundle with its policies, or a
    /// site policy (`edge.toml`).
    pub(crate) config: Option<PathBuf>,
    /// Instead of a file: the site policy of a kind of site, with its defaults (`wordpress`).
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub(crate) preset: Option<String>,
    /// Where the site's servers are, for a preset or an `edge.toml`: http://HOST:PORT; several share the load.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Vec<String>,
    /// Ask URL instead of the origin called NAME; several for one name share the load.
    #[arg(long, value_name = "NAME=URL")]
    pub(crate) map: Vec<String>,
    /// Names the site is known by, for a preset (loopback names and *.test always are).
    #[arg(long, value_name = "NAME", requires = "preset")]
    pub(crate) domain: Vec<String>,
}

/// A configuration that loaded.
pub(crate) struct Configured {
    pub(crate) distribution: Distribution,
    /// By origin domain name.
    pub(crate) servers: HashMap<String, Vec<String>>,
    /// To be said once, at the start.
    pub(crate) warnings: Vec<String>,
}

/// A configuration that was read, and what the loader says of it.
pub(crate) struct Read {
    /// As the command line has it; empty for a preset.
    pub(crate) name: String,
    /// As it was written: the document itself, or what it was made from.
    pub(crate) text: String,
    pub(crate) loaded: Result<Loaded, Problems>,
    /// By origin domain name.
    servers: HashMap<String, Vec<String>>,
}

/// Why there is nothing to serve: everything that is wrong, ready to print.
#[derive(Debug)]
pub(crate) struct BadConfiguration(String);

impl std::fmt::Display for BadConfiguration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

impl ConfigArgs {
    /// Reads and checks it all; every problem is in the error.
    pub(crate) fn load(&self) -> Result<Configured, BadConfiguration> {
        let Read { name, loaded, mut servers, .. } = self.read()?;
        let loaded = loaded.map_err(|problems| BadConfiguration(in_file(&name, &problems.0)))?;
        self.map_servers(&loaded.distribution, &mut servers)?;
        let said = loaded.warnings.iter().filter(|problem| problem.severity == Severity::Warning);
        let warnings = said.map(|problem| in_file(&name, std::slice::from_ref(problem))).collect();
        Ok(Configured { distribution: loaded.distribution, servers, warnings })
    }

    /// Reads it, and has it loaded; whether it loads is the caller's to ask.
    pub(crate) fn read(&self) -> Result<Read, BadConfiguration> {
        let (text, name) = match (&self.config, &self.preset) {
            (Some(path), _) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path).map_err(|error| {
                    BadConfiguration(format!(
                        "{name}: {error}\n  hint: give a distribution's JSON or an edge.toml"
                    ))
                })?;
                (text, name)
            }
            (None, Some(preset)) => (preset.clone(), String::new()),
            (None, None) => {
                return Err(BadConfiguration(
                    "nothing to serve: give a distribution (JSON), an edge.toml, or --preset wordpress --origin URL\n  \
                     hint: `edge-bin demo` shows one at work"
                        .to_owned(),
                ));
            }
        };
        let (document, servers) = self.document(text.clone(), &name)?;
        Ok(Read { loaded: document::load(&document), name, text, servers })
    }

    /// The AWS document, whatever it is made from, and where its origins are here.
    fn document(
        &self,
        text: String,
        name: &str,
    ) -> Result<(String, HashMap<String, Vec<String>>), BadConfiguration> {
        if self.preset.is_none() && !is_site_policy(&text, name) {
            if !self.origin.is_empty() {
                let wrong = "--origin is for presets and site policies\n  hint: a distribution has origins: --map NAME=URL";
                return Err(BadConfiguration(wrong.to_owned()));
            }
            return Ok((text, HashMap::new()));
        }
        let mut policy = match &self.preset {
            Some(preset) => {
                let servers: Vec<&str> = self.origin.iter().map(String::as_str).collect();
                Policy::from_preset(preset, &servers)
            }
            None => site::toml::read(&text),
        }
        .map_err(|problems| BadConfiguration(in_policy(name, &problems)))?;
        policy.domains.extend(self.domain.iter().map(|name| name.to_ascii_lowercase()));
        let Bundle { document, servers } = site::compile(&policy);
        let mut servers: HashMap<String, Vec<String>> = servers.into_iter().collect();
        if !self.origin.is_empty() {
            servers.insert(policy.origin.name.clone(), self.origin.clone());
        }
        Ok((document.to_string(), servers))
    }

    fn map_servers(
        &self,
        distribution: &Distribution,
        servers: &mut HashMap<String, Vec<String>>,
    ) -> Result<(), BadConfiguration> {
        let mut wrong = String::new();
        let mut mapped: HashMap<String, Vec<String>> = HashMap::new();
        for entry in &self.map {
            let Some((name, url)) = entry.split_once('=') else {
                _ = writeln!(
                    wrong,
                    "--map {entry}: expected NAME=URL, as in --map alb.example.com=http://127.0.0.1:8000"
                );
                continue;
            };
            if !distribution.origins.iter().any(|origin| origin.domain_name.eq_ignore_ascii_case(name)) {
                let known: Vec<&str> =
                    distribution.origins.iter().map(|origin| origin.domain_name.as_str()).collect();
                _ = writeln!(
                    wrong,
                    "--map {entry}: no origin is called {name}\n  hint: there is {}",
                    known.join(", ")
                );
                continue;
            }
            mapped.entry(name.to_ascii_lowercase()).or_default().push(url.to_owned());
        }
        for (name, urls) in mapped {
            servers.insert(name, urls);
        }
        if wrong.is_empty() { Ok(()) } else { Err(BadConfiguration(wrong)) }
    }
}

/// A document of AWS is JSON or XML; neither can be TOML.
fn is_site_policy(text: &str, name: &str) -> bool {
    let first = text.trim_start_matches('\u{feff}').trim_start().chars().next();
    name.ends_with(".toml") || !(name.ends_with(".json") || matches!(first, Some('{' | '<')))
}

fn in_policy(name: &str, problems: &site::Problems) -> String {
    let mut text = String::new();
    for problem in problems.iter() {
        let place = if name.is_empty() { "--" } else { name };
        let gap = if name.is_empty() { "" } else { ": " };
        _ = writeln!(text, "{place}{gap}{problem}");
    }
    text
}

fn in_file(name: &str, problems: &[edge_core::distribution::problem::Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let gap = if name.is_empty() { "" } else { ": " };
        _ = writeln!(text, "{name}{gap}{problem}");
    }
    text
}
