//! Where Lambdas can be called: `--lambda ARN=URL`, for those who serve and those who explain.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use edge_core::distribution::Distribution;
use edge_core::distribution::lambda::{Endpoint, LambdaEvent, unversioned};
use edge_core::distribution::problem::codes;
use edge_core::exchange::Rules;
use edge_core::function::lambda::Invoked;
use edge_core::viewer::device::Memo;

use crate::configuration::Warning;

/// Who calls what where.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct LambdaArgs {
    /// Call the Lambda@Edge function of this ARN (with its version, or without for all of them) at URL: any endpoint of
    /// the invoke API, as the runtime interface emulator; without a path its
    /// /2015-03-31/functions/function/invocations is used. Functions that are not named are skipped. May be repeated.
    #[arg(long, value_name = "ARN=URL")]
    lambda: Vec<String>,
}

impl LambdaArgs {
    /// By ARN; what is wrong with the first that is.
    pub(crate) fn endpoints(&self) -> Result<HashMap<String, Arc<Endpoint>>, String> {
        let mut endpoints = HashMap::new();
        for entry in &self.lambda {
            let Some((arn, url)) = entry.split_once('=').filter(|(arn, _)| arn.starts_with("arn:")) else {
                return Err(format!(
                    "--lambda {entry}: expected ARN=URL, as in \
                     --lambda arn:aws:lambda:us-east-1:123456789012:function:auth=http://127.0.0.1:9000"
                ));
            };
            let endpoint = Endpoint::parse(url).map_err(|why| format!("--lambda {entry}: {why}"))?;
            endpoints.insert(arn.to_owned(), Arc::new(endpoint));
        }
        Ok(endpoints)
    }
}

/// That each of these is somebody's.
pub(crate) fn check<'a>(
    endpoints: &HashMap<String, Arc<Endpoint>>,
    distributions: impl Iterator<Item = &'a Distribution>,
) -> Result<(), String> {
    let known: Vec<&str> = distributions.flat_map(arns).collect();
    match endpoints.keys().find(|arn| !known.iter().any(|known| is_about(arn, known))) {
        None => Ok(()),
        Some(arn) => {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(format!("--lambda {arn}: no behavior names this function\n  hint: they name {known}"))
        }
    }
}

/// Whether a warning is about a function that can be called after all.
pub(crate) fn is_moot(warning: &Warning, endpoints: &HashMap<String, Arc<Endpoint>>) -> bool {
    let names = |arn: &String| {
        warning.text.contains(&format!("--lambda {arn}="))
            || warning.text.contains(&format!("--lambda {arn}:"))
    };
    warning.code == codes::NEEDS_ENDPOINT && endpoints.keys().any(names)
}

fn is_about(given: &str, arn: &str) -> bool {
    given == arn || given == unversioned(arn)
}

fn arns(distribution: &Distribution) -> impl Iterator<Item = &str> {
    let behaviors = distribution.behaviors.iter().chain([&distribution.default_behavior]);
    behaviors.flat_map(|behavior| {
        LambdaEvent::ALL
            .into_iter()
            .filter_map(|event| behavior.lambdas.named(event).map(|lambda| lambda.arn.as_str()))
    })
}

/// What functions return, for those who explain.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct LambdaSays {
    /// What the function at this event (viewer-request, origin-request, origin-response, viewer-response) returns, as JSON;
    /// may be repeated.
    #[arg(long, value_name = "EVENT=FILE")]
    lambda_says: Vec<String>,
}

impl LambdaSays {
    /// By event.
    pub(crate) fn read(&self) -> Result<Vec<(LambdaEvent, Invoked)>, String> {
        let mut says = Vec::new();
        for entry in &self.lambda_says {
            let parsed =
                entry.split_once('=').and_then(|(word, file)| Some((LambdaEvent::parse(word)?, file)));
            let Some((event, file)) = parsed else {
                return Err(format!(
                    "--lambda-says {entry}: expected EVENT=FILE, as in viewer-request=result.json"
                ));
            };
            let wrong = |why: String| format!("{}: {why}", PathBuf::from(file).display());
            let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            says.push((event, Invoked::read(http::StatusCode::OK, None, &text)));
        }
        Ok(says)
    }
}

/// The rules, with functions that are not called because what they return is told.
pub(crate) fn told_of(rules: &Arc<Rules>, says: &[(LambdaEvent, Invoked)]) -> Arc<Rules> {
    if says.is_empty() {
        return Arc::clone(rules);
    }
    let mut distribution = rules.distribution.clone();
    let nowhere = Endpoint::parse("http://nowhere.invalid").ok().map(Arc::new);
    distribution.locate_lambdas(|event, lambda| {
        let told = says.iter().any(|(told, _)| *told == event);
        lambda.endpoint.clone().or_else(|| nowhere.clone().filter(|_| told))
    });
    let Rules { guard, place, .. } = &**rules;
    Arc::new(Rules { distribution, guard: *guard, place: place.clone(), devices: Memo::new(16) })
}
