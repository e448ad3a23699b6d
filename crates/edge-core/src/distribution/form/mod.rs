//! The forms a distribution is written in: AWS's JSON, XML of the REST API, CloudFormation, Terraform plans (§1.1).
//!
//! Each form is turned into the one document the loader reads, a bundle of the API's JSON; nothing else in the house
//! knows that there are others. A problem the loader finds is told at the place its owner wrote. This module refuses
//! to know files and folders: it is given text.

mod cloudformation;
mod shape;
mod shapes;
pub mod spelling;
mod stand_in;
mod terraform;
mod tree;
mod xml;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::document::{self, Loaded};
use super::problem::codes::{INVALID_TEMPLATE, MALFORMED_DOCUMENT};
use super::problem::{Problem, Problems, Severity};
use tree::{Place, Tree};

/// What the owner says beside the text.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// `NAME=VALUE`: a template's parameter, or what stands for a reference nobody can resolve here.
    pub parameters: Vec<String>,
    /// Which distribution, where there are several: a logical id, or an address of Terraform's.
    pub resource: Option<String>,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What `aws cloudfront get-distribution-config` prints, a `DistributionConfig` alone, or a bundle.
    Api,
    /// A CloudFormation template in JSON, as `cdk synth` writes it.
    TemplateJson,
    /// A CloudFormation template in YAML.
    TemplateYaml,
    /// What `terraform show -json` prints, of a plan or of a state.
    Terraform,
    /// The body of a request to the REST API, or of its answer.
    Xml,
}

/// Recognises a form by the text alone. JSON that is no form at all is [`Form::Api`], so that the loader says what it
/// lacks; `None` is neither JSON, XML nor a template.
pub fn recognise(text: &str) -> Option<Form> {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with(['{', '[']) {
        return Some(match serde_json::from_str(text) {
            Ok(value) => of_json(&value),
            Err(_) => Form::Api,
        });
    }
    if text.starts_with('<') {
        return Some(Form::Xml);
    }
    let is_section = |line: &str| {
        ["Resources:", "AWSTemplateFormatVersion:", "Parameters:"]
            .iter()
            .any(|section| line.starts_with(section))
    };
    text.lines().any(is_section).then_some(Form::TemplateYaml)
}

fn of_json(value: &Value) -> Form {
    if value.get("Resources").is_some_and(Value::is_object) {
        return Form::TemplateJson;
    }
    let has_root = |key: &str| value.get(key).is_some_and(|values| values.get("root_module").is_some());
    if has_root("planned_values") || has_root("values") { Form::Terraform } else { Form::Api }
}

/// CloudFormation takes no larger template; nothing written by hand comes near.
const TEMPLATE_BYTES_MAX: usize = 1 << 20;

/// Loads a text of any form.
pub fn load(text: &str, choices: &Choices) -> Result<Loaded, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(form) = recognise(text) else {
        let message =
            "this is neither JSON, nor XML, nor a template in YAML (it has no Resources)".to_owned();
        return Err(Problems(vec![said("line 1", message, None)]));
    };
    let turned = match form {
        Form::Api => return api(text, choices),
        Form::Xml => {
            no_choices(choices)?;
            within(text)?;
            let bundle = xml::read(text).map_err(|problem| Problems(vec![problem]))?;
            Ok(Turned { bundle, problems: Vec::new(), spelled: str::to_owned })
        }
        Form::Terraform => terraform::turn(&serde_json::from_str(text).unwrap_or_default(), choices),
        Form::TemplateYaml => {
            within(text)?;
            let root = yaml::read(text).map_err(|problem| Problems(vec![problem]))?;
            cloudformation::turn(&root, choices)
        }
        Form::TemplateJson => {
            within(text)?;
            // Recognised, so it can be read.
            let value = serde_json::from_str(text).unwrap_or_default();
            cloudformation::turn(&Tree::of(value, Place::top("")), choices)
        }
    };
    turned.map_err(Problems)?.load()
}

fn within(text: &str) -> Result<(), Problems> {
    if text.len() <= TEMPLATE_BYTES_MAX {
        return Ok(());
    }
    let message = format!("{} bytes: a template has at most 1 MiB", text.len());
    Err(Problems(vec![said("", message, None)]))
}

fn api(text: &str, choices: &Choices) -> Result<Loaded, Problems> {
    no_choices(choices)?;
    document::load(text)
}

fn no_choices(choices: &Choices) -> Result<(), Problems> {
    if let Some(parameter) = choices.parameters.first() {
        let message = "a distribution as the API has it has no parameters".to_owned();
        return Err(Problems(vec![said(&format!("--parameter {parameter}"), message, None)]));
    }
    if let Some(resource) = &choices.resource {
        let message = "there is one distribution in it, and no other to choose".to_owned();
        return Err(Problems(vec![said(&format!("--resource {resource}"), message, None)]));
    }
    Ok(())
}

fn said(place: &str, message: String, hint: Option<String>) -> Problem {
    Problem { severity: Severity::Error, place: place.to_owned(), code: MALFORMED_DOCUMENT, message, hint }
}

/// A form as the API's bundle, and what was found out on the way.
struct Turned {
    bundle: Tree,
    problems: Vec<Problem>,
    /// How the form spells the end of a place the owner wrote nothing at: `.ViewerProtocolPolicy`.
    spelled: fn(&str) -> String,
}

impl Turned {
    /// Loads the bundle, and tells every problem where the owner wrote what it is about.
    fn load(self) -> Result<Loaded, Problems> {
        let Self { bundle, mut problems, spelled } = self;
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            problems.sort_by_key(|problem| problem.severity);
            return Err(Problems(problems));
        }
        let value = bundle.value();
        let owners = Owners(Some(Written { bundle, spelled }));
        let at_owners = |problem: Problem| Problem { place: owners.place(&problem.place), ..problem };
        match document::load_value(value) {
            Ok(mut loaded) => {
                problems.extend(loaded.warnings.drain(..).map(at_owners));
                problems.sort_by_key(|problem| problem.severity);
                loaded.warnings = problems;
                Ok(Loaded { owners, ..loaded })
            }
            Err(Problems(found)) => {
                problems.extend(found.into_iter().map(at_owners));
                problems.sort_by_key(|problem| problem.severity);
                Err(Problems(problems))
            }
        }
    }
}

/// Where the owner of a document wrote what stands at a place of it: the way back from the API's names to a template's.
#[derive(Clone, Default)]
pub struct Owners(Option<Written>);

#[derive(Clone)]
struct Written {
    bundle: Tree,
    spelled: fn(&str) -> String,
}

impl Owners {
    /// `Resources.Site.Properties.DistributionConfig.Enabled (line 12)` for `DistributionConfig.Enabled`. A document
    /// that the API itself printed has no other places than the API's.
    pub fn place(&self, place: &str) -> String {
        let Some(Written { bundle, spelled }) = &self.0 else { return place.to_owned() };
        let (owners, rest) = bundle.find(place);
        owners.text(&spelled(rest))
    }
}

impl fmt::Debug for Owners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Owners(another form)" } else { "Owners(the API)" })
    }
}

/// The one distribution, or the chosen one of several.
fn choose<'a>(
    ids: &[&'a str],
    choices: &Choices,
    refuse: impl Fn(&[&'a str], Option<&str>) -> Problem,
) -> Result<&'a str, Vec<Problem>> {
    match (&choices.resource, ids) {
        (Some(chosen), ids) => {
            ids.iter().find(|id| *id == chosen).copied().ok_or_else(|| vec![refuse(ids, Some(chosen))])
        }
        (None, [only]) => Ok(only),
        (None, ids) => Err(vec![refuse(ids, None)]),
    }
}

/// `NAME=VALUE` by name.
fn parameters(choices: &Choices) -> Result<BTreeMap<String, String>, Vec<Problem>> {
    let (mut given, mut wrong) = (BTreeMap::new(), Vec::new());
    for parameter in &choices.parameters {
        match parameter.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                given.insert(name.to_owned(), value.to_owned());
            }
            _ => wrong.push(Problem {
                severity: Severity::Error,
                place: format!("--parameter {parameter}"),
                code: INVALID_TEMPLATE,
                message: "expected NAME=VALUE".to_owned(),
                hint: None,
            }),
        }
    }
    if wrong.is_empty() { Ok(given) } else { Err(wrong) }
}
