//! From the command line to a distribution: an AWS document in any of its forms, an `edge.toml`, or flags alone.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use edge_core::distribution::document::Document;
use edge_core::distribution::form::{self, Choices};
use edge_core::distribution::problem::{Problem, Severity};
use edge_core::distribution::{Distribution, Loaded, Origin, Problems};
use edge_core::site::{self, Bundle, Policy, Style};

/// What to be, and where the real servers are.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct ConfigArgs {
    /// A distribution: JSON as `aws cloudfront get-distribution-config` prints it, a bundle with its policies, XML of
    /// the REST API, a CloudFormation template (JSON or YAML) or a `cdk.out` folder, what `terraform show -json` prints,
    /// or a site policy (`edge.toml`).
    pub(crate) config: Option<PathBuf>,
    /// The value of a template's parameter, or of what a template or plan refers to and does not say (BUCKET.DomainName,
    /// an export's name, a field of a plan); may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) parameter: Vec<String>,
    /// Which distribution of a template (its logical id) or plan (its address), where there are several.
    #[arg(long, value_name = "ID")]
    pub(crate) resource: Option<String>,
    /// Instead of a file: the site policy of a kind of site, with its defaults (`wordpress`).
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    pub(crate) preset: Option<String>,
    /// Where the site's servers are, for a preset or an `edge.toml`: http://HOST:PORT; several share the load.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Vec<String>,
    /// Ask URL instead of the origin called NAME (its domain name, or its id); several for one name share the load.
    #[arg(long, value_name = "NAME=URL")]
    pub(crate) map: Vec<String>,
    /// Run the JavaScript of functions that the edge would otherwise run by the rule they were written from, as CloudFront
    /// will.
    #[arg(long)]
    pub(crate) javascript: bool,
    /// Names the site is known by, for a preset or an `edge.toml` (loopback names and *.test always are).
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Vec<String>,
    /// How a preset or an `edge.toml` is put into CloudFront's words: with a viewer-request function, or with policies
    /// alone, which promise less [default: the file's, or function].
    #[arg(long, value_name = "function|policy", value_parser = parse_style)]
    pub(crate) style: Option<Style>,
}

/// A configuration that loaded.
pub(crate) struct Configured {
    pub(crate) distribution: Distribution,
    /// By origin domain name.
    pub(crate) servers: HashMap<String, Vec<String>>,
    /// To be said once, at the start.
    pub(crate) warnings: Vec<Warning>,
}

/// Something to know about a configuration that loaded.
pub(crate) struct Warning {
    /// The loader's code.
    pub(crate) code: &'static str,
    /// With its file, place and hint, ready to print.
    pub(crate) text: String,
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

impl BadConfiguration {
    /// Of what is wrong, ready to print.
    pub(crate) fn new(wrong: String) -> Self {
        Self(wrong)
    }
}

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
        let warning = |problem: &Problem| Warning {
            code: problem.code,
            text: in_file(&name, std::slice::from_ref(problem)),
        };
        let warnings = said.map(warning).collect();
        Ok(Configured { distribution: loaded.distribution, servers, warnings })
    }

    /// The first configuration and further ones beside it. Of the flags only `--map` is about those too, each entry about
    /// whoever has such an origin.
    pub(crate) fn load_all(
        &self,
        others: &[PathBuf],
    ) -> Result<(Configured, Vec<Configured>), BadConfiguration> {
        let mut further = Vec::new();
        for path in others {
            let mut alone = Self { config: Some(path.clone()), preset: None, ..self.clone() };
            (alone.origin, alone.map, alone.domain) = (Vec::new(), Vec::new(), Vec::new());
            alone.style = None;
            let mut configured = alone.load()?;
            let has = |entry: &&String| has_origin(&configured.distribution, entry);
            alone.map = self.map.iter().filter(has).cloned().collect();
            alone.map_servers(&configured.distribution, &mut configured.servers)?;
            further.push(configured);
        }
        let is_theirs = |entry: &String| further.iter().any(|other| has_origin(&other.distribution, entry));
        let map = self.map.iter().filter(|entry| !is_theirs(entry)).cloned().collect();
        Ok((Self { map, ..self.clone() }.load()?, further))
    }

    /// The document, whatever it is made from; what is remarkable in it is among what it says.
    pub(crate) fn document(&self) -> Result<(Document, String), BadConfiguration> {
        let Read { loaded, name, .. } = self.read()?;
        let loaded = loaded.map_err(|problems| BadConfiguration(in_file(&name, &problems.0)))?;
        Ok((loaded.document, in_file(&name, &loaded.warnings)))
    }

    /// Reads it, and has it loaded; whether it loads is the caller's to ask.
    pub(crate) fn read(&self) -> Result<Read, BadConfiguration> {
        let (text, name) = match (&self.config, &self.preset) {
            (Some(path), _) => file(path)?,
            (None, Some(preset)) => (preset.clone(), String::new()),
            (None, None) => {
                return Err(BadConfiguration(
                    "nothing to serve: give a distribution (JSON, XML, a template, a plan), an edge.toml, or --preset wordpress --origin URL\n  \
                     hint: `edge-bin demo` shows one at work"
                        .to_owned(),
                ));
            }
        };
        let choices = Choices { parameters: self.parameter.clone(), resource: self.resource.clone() };
        let (mut document, servers) = self.aws_document(text.clone(), &name)?;
        if self.javascript {
            document = without_rules(document);
        }
        Ok(Read { loaded: form::load(&document, &choices), name, text, servers })
    }

    /// The text of an AWS document, compiled where it is a site policy, and where its origins are here.
    fn aws_document(
        &self,
        text: String,
        name: &str,
    ) -> Result<(String, HashMap<String, Vec<String>>), BadConfiguration> {
        if self.preset.is_none() && !is_site_policy(&text, name) {
            for (given, wrong) in [
                (
                    !self.origin.is_empty(),
                    "--origin is for presets and site policies\n  hint: a distribution has origins: --map NAME=URL",
                ),
                (
                    !self.domain.is_empty(),
                    "--domain is for presets and site policies\n  hint: a distribution has Aliases",
                ),
                (
                    self.style.is_some(),
                    "--style is for presets and site policies\n  hint: a distribution is in CloudFront's words already",
                ),
            ] {
                if given {
                    return Err(BadConfiguration(wrong.to_owned()));
                }
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
        let domains: Vec<&str> = self.domain.iter().map(String::as_str).collect();
        policy.add_domains(&domains).map_err(|problems| BadConfiguration(in_policy(name, &problems)))?;
        if let Some(style) = self.style {
            policy.set_style(style).map_err(|problems| BadConfiguration(in_policy(name, &problems)))?;
        }
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
            match origin_called(distribution, name) {
                Ok(domain_name) => mapped.entry(domain_name).or_default().push(url.to_owned()),
                Err(unknown) => _ = writeln!(wrong, "--map {entry}: {unknown}"),
            }
        }
        for (name, urls) in mapped {
            servers.insert(name, urls);
        }
        if wrong.is_empty() { Ok(()) } else { Err(BadConfiguration(wrong)) }
    }
}

fn parse_style(word: &str) -> Result<Style, String> {
    Style::named(word).ok_or_else(|| "expected function or policy".to_owned())
}

/// A bundle whose functions are their code alone; any other document as it is.
fn without_rules(text: String) -> String {
    let Ok(mut document) = serde_json::from_str::<serde_json::Value>(&text) else { return text };
    let functions = document.get_mut("Functions").and_then(serde_json::Value::as_array_mut);
    let Some(functions) = functions else { return text };
    for function in functions.iter_mut().filter_map(serde_json::Value::as_object_mut) {
        if function.contains_key("Code") {
            function.shift_remove("Rule");
        }
    }
    document.to_string()
}

/// Whether a `--map` entry is about an origin of the distribution.
fn has_origin(distribution: &Distribution, entry: &str) -> bool {
    let name = entry.split_once('=').map_or(entry, |(name, _)| name);
    origin_called(distribution, name).is_ok()
}

/// The domain name, lower case, of the origin that is called so: by that name or by its id. Templates make up the one
/// and say the other.
pub(crate) fn origin_called(distribution: &Distribution, name: &str) -> Result<String, String> {
    let by_name = |origin: &&Origin| origin.domain_name.eq_ignore_ascii_case(name);
    let by_id = |origin: &&Origin| origin.id == name;
    let origins = || distribution.origins.iter();
    match origins().find(by_name).or_else(|| origins().find(by_id)) {
        Some(origin) => Ok(origin.domain_name.to_ascii_lowercase()),
        None => {
            let known: Vec<&str> = origins().map(|origin| origin.domain_name.as_str()).collect();
            Err(format!("no origin is called {name}\n  hint: there is {}", known.join(", ")))
        }
    }
}

/// The text of a file, or of the template in a folder of `cdk synth`; and its name.
fn file(path: &Path) -> Result<(String, String), BadConfiguration> {
    let path = if path.is_dir() { template_in(path)? } else { path.to_owned() };
    let name = path.display().to_string();
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((text, name)),
        Err(error) => Err(BadConfiguration(format!(
            "{name}: {error}\n  hint: give a distribution's JSON or XML, a template, a plan, or an edge.toml"
        ))),
    }
}

/// The one template of a `cdk.out` with a distribution in it.
fn template_in(folder: &Path) -> Result<PathBuf, BadConfiguration> {
    let bad = |error: std::io::Error| BadConfiguration(format!("{}: {error}", folder.display()));
    let mut templates = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(bad)? {
        let path = entry.map_err(bad)?.path();
        if path.to_string_lossy().ends_with(".template.json") {
            templates.push(path);
        }
    }
    templates.sort();
    let has_distribution = |path: &&PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("\"AWS::CloudFront::Distribution\""))
    };
    let found: Vec<&PathBuf> = templates.iter().filter(has_distribution).collect();
    let names = |paths: &[&PathBuf]| {
        paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    match (&found[..], &templates[..]) {
        ([only], _) => Ok((*only).clone()),
        ([], []) => Err(BadConfiguration(format!(
            "{}: there is no *.template.json in this folder\n  hint: a folder is what `cdk synth` writes",
            folder.display()
        ))),
        ([], _) => Err(BadConfiguration(format!(
            "{}: no template in this folder has a distribution ({})",
            folder.display(),
            names(&templates.iter().collect::<Vec<_>>())
        ))),
        (several, _) => Err(BadConfiguration(format!(
            "{}: several templates have a distribution\n  hint: give one of {}",
            folder.display(),
            names(several)
        ))),
    }
}

/// Whether it is to be read as TOML: by its name, or because it is no form of a distribution.
fn is_site_policy(text: &str, name: &str) -> bool {
    let documents = [".json", ".xml", ".yaml", ".yml", ".template"];
    name.ends_with(".toml")
        || !documents.iter().any(|end| name.ends_with(end)) && form::recognise(text).is_none()
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

/// Problems, each with the file it is in.
pub(crate) fn in_file(name: &str, problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        let gap = if name.is_empty() { "" } else { ": " };
        _ = writeln!(text, "{name}{gap}{problem}");
    }
    text
}
