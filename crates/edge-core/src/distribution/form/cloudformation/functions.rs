//! The functions of templates, one by one: `Fn::Sub`, `Fn::Join`, `Fn::Select` and their kind.

use super::super::tree::{Kind, Tree};
use super::conditions;
use super::resolve::{BYTES_MAX, Resolver};

impl Resolver<'_> {
    pub(super) fn call(&self, function: &str, argument: &Tree, tree: &Tree) -> Option<Tree> {
        match function {
            "Ref" => self.reference(&self.text(argument)?, tree),
            "Fn::GetAtt" => {
                let (id, attribute) = self.attribute_name(argument)?;
                self.attribute(&id, &attribute, tree)
            }
            "Fn::Sub" => self.substituted(argument, tree),
            "Fn::Join" => {
                let [separator, list] = self.arguments(argument)?;
                let separator = self.text(separator)?;
                let texts: Vec<String> = self.list(list)?.iter().filter_map(Tree::scalar).collect();
                let length = texts.iter().map(|text| text.len() + separator.len()).sum::<usize>();
                if length > BYTES_MAX {
                    self.count(tree, length);
                    return None;
                }
                self.made(tree, texts.join(&separator))
            }
            "Fn::Split" => {
                let [separator, text] = self.arguments(argument)?;
                let (separator, text) = (self.text(separator)?, self.text(text)?);
                if separator.is_empty() {
                    self.error(argument, "the separator is empty");
                    return None;
                }
                let parts = text.split(separator.as_str()).map(|part| {
                    self.count(tree, part.len());
                    tree.text_here(part)
                });
                Some(tree.here(Kind::List(parts.collect())))
            }
            "Fn::Select" => self.selected(argument),
            "Fn::FindInMap" => self.found_in_map(argument, tree),
            "Fn::If" => {
                let [name, yes, no] = self.arguments(argument)?;
                let holds = conditions::named(self, &self.text(name)?, name)?;
                self.value(if holds { yes } else { no })
            }
            "Fn::ImportValue" => self.imported(&self.text(argument)?, tree),
            "Fn::GetAZs" => {
                let zones =
                    ["a", "b", "c"].map(|zone| tree.text_here(format!("{}{zone}", self.around.region)));
                Some(tree.here(Kind::List(zones.to_vec())))
            }
            "Fn::And" | "Fn::Or" | "Fn::Not" | "Fn::Equals" | "Condition" => {
                conditions::value(self, tree).map(|holds| tree.here(Kind::Boolean(holds)))
            }
            other => {
                self.error_with(
                    tree,
                    format!("{other} is not resolved here"),
                    "write out what it comes to, or give the template as it is deployed",
                );
                None
            }
        }
    }

    /// Exactly so many arguments.
    pub(super) fn arguments<'t, const N: usize>(&self, argument: &'t Tree) -> Option<[&'t Tree; N]> {
        let items: Vec<&Tree> = argument.items().iter().collect();
        let found = <[&Tree; N]>::try_from(items).ok();
        if found.is_none() {
            self.error(argument, format!("a list of {N} is expected here"));
        }
        found
    }

    fn list(&self, tree: &Tree) -> Option<Vec<Tree>> {
        match self.value(tree)?.kind {
            Kind::List(items) => Some(items),
            Kind::Text(text) => Some(text.split(',').map(|part| tree.text_here(part.trim())).collect()),
            _ => {
                self.error(tree, "a list is expected here");
                None
            }
        }
    }

    fn selected(&self, argument: &Tree) -> Option<Tree> {
        let [index, list] = self.arguments(argument)?;
        let (index, list) = (self.text(index)?, self.list(list)?);
        let found = index.parse::<usize>().ok().and_then(|index| list.get(index)).cloned();
        if found.is_none() {
            self.error(argument, format!("there is no member {index} in a list of {}", list.len()));
        }
        found
    }

    fn found_in_map(&self, argument: &Tree, tree: &Tree) -> Option<Tree> {
        let items = argument.items();
        let [map, first, second, more @ ..] = items else {
            self.error(argument, "a list of a map and two keys is expected here");
            return None;
        };
        let (map, first, second) = (self.text(map)?, self.text(first)?, self.text(second)?);
        let entry = self.template.mapping(&map).and_then(|map| map.get(&first)?.get(&second));
        if let Some(entry) = entry {
            return self.value(entry);
        }
        if let Some(default) = more.first().and_then(|more| more.get("DefaultValue")) {
            return self.value(default);
        }
        self.error(tree, format!("the mappings have no {map}.{first}.{second}"));
        None
    }

    fn substituted(&self, argument: &Tree, tree: &Tree) -> Option<Tree> {
        let (pattern, values) = match &argument.kind {
            Kind::List(items) => match &items[..] {
                [pattern, values] => (pattern, Some(values)),
                _ => {
                    self.error(argument, "a text and its values are expected here");
                    return None;
                }
            },
            _ => (argument, None),
        };
        let Some(pattern) = pattern.as_text() else {
            self.error(pattern, "a text is expected here");
            return None;
        };
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                self.error(argument, "a ${ without its }");
                return None;
            };
            let name = name.trim();
            if let Some(literal) = name.strip_prefix('!') {
                out.push_str("${");
                out.push_str(literal);
                out.push('}');
            } else {
                out.push_str(&self.variable(name, values, tree)?);
            }
            if out.len() > BYTES_MAX || self.bytes.get() > BYTES_MAX {
                self.count(tree, BYTES_MAX);
                return None;
            }
            rest = after;
        }
        out.push_str(rest);
        self.made(tree, out)
    }

    fn variable(&self, name: &str, values: Option<&Tree>, tree: &Tree) -> Option<String> {
        if let Some(value) = values.and_then(|values| values.get(name)) {
            return self.text(value);
        }
        let value = match name.split_once('.') {
            Some((id, attribute)) => self.attribute(id, attribute, tree)?,
            None => self.reference(name, tree)?,
        };
        let text = value.scalar();
        if text.is_none() {
            self.error(tree, format!("{name} is a list, and cannot be part of a text"));
        }
        text
    }

    fn attribute_name(&self, argument: &Tree) -> Option<(String, String)> {
        let joined = match &argument.kind {
            Kind::List(items) => {
                let parts: Option<Vec<String>> = items.iter().map(|item| self.text(item)).collect();
                parts?.join(".")
            }
            _ => self.text(argument)?,
        };
        let found = joined.split_once('.').map(|(id, attribute)| (id.to_owned(), attribute.to_owned()));
        if found.is_none() {
            self.error(argument, "a resource and an attribute of it are expected here");
        }
        found
    }
}

/// `{"Fn::Sub": …}`: the function and its argument. Tools that read short forms write `Sub` alone, which is no field
/// of CloudFront's.
pub(super) fn single_function(tree: &Tree) -> Option<(&'static str, &Tree)> {
    let [(key, argument)] = tree.fields() else { return None };
    let name = key.strip_prefix("Fn::").unwrap_or(key);
    let is_long = name.len() < key.len();
    let known = FUNCTIONS.iter().find(|known| known.strip_prefix("Fn::").unwrap_or(known) == name);
    match known {
        // Short, they are words: `Transform`, `Condition` and `Not` may be fields elsewhere.
        Some(&known) if is_long == known.starts_with("Fn::") || BARE.contains(&known) => {
            Some((known, argument))
        }
        None if is_long => Some(("this function", argument)),
        _ => None,
    }
}

const FUNCTIONS: &[&str] = &[
    "Ref",
    "Condition",
    "Fn::And",
    "Fn::Base64",
    "Fn::Cidr",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::ForEach",
    "Fn::GetAZs",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Length",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
    "Fn::ToJsonString",
    "Fn::Transform",
];

const BARE: &[&str] = &[
    "Fn::And",
    "Fn::Equals",
    "Fn::FindInMap",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Not",
    "Fn::Or",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
];
