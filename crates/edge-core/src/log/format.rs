//! Lines: which fields they have, and in which of CloudFront's two formats.

use std::fmt;

use super::Record;
use super::encode::Out;
use super::table::{FIELDS, Field, Place};
use crate::site::nearest;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Two header lines, then one line a request with tabs between the values.
    Standard,
    /// One JSON object a line; every value is a string.
    Json,
}

/// What the lines of a log look like.
#[derive(Debug, Clone)]
pub struct Format {
    kind: Kind,
    fields: Vec<&'static Field>,
}

/// A field nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField(String);

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no field {:?} in CloudFront's access logs", self.0)?;
        let name = self.0.to_ascii_lowercase();
        let known: Vec<String> = FIELDS.iter().map(|field| field.name.to_ascii_lowercase()).collect();
        let near = nearest(&name, known.iter().map(String::as_str));
        match FIELDS.iter().find(|field| near.is_some_and(|near| field.name.eq_ignore_ascii_case(near))) {
            Some(field) => write!(f, "\n  hint: did you mean {}?", field.name),
            None => write!(f, "\n  hint: docs/access-log.md has them all"),
        }
    }
}

impl std::error::Error for UnknownField {}

impl Format {
    /// The 33 fields of a standard log.
    pub fn standard(kind: Kind) -> Self {
        let fields = FIELDS.iter().filter(|field| matches!(field.place, Place::Standard(_)));
        Self { kind, fields: fields.collect() }
    }

    /// These fields, in this order.
    pub fn of<'a>(kind: Kind, names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownField> {
        let field = |name: &'a str| Field::named(name).ok_or_else(|| UnknownField(name.to_owned()));
        let fields: Vec<_> = names.into_iter().map(field).collect::<Result<_, _>>()?;
        if fields.is_empty() { Err(UnknownField(String::new())) } else { Ok(Self { kind, fields }) }
    }

    /// Whether any of them says where viewers are.
    pub fn tells_places(&self) -> bool {
        self.fields.iter().any(|field| ["asn", "c-country"].contains(&field.name))
    }

    /// What stands at the top of a file.
    pub fn header(&self) -> Vec<u8> {
        match self.kind {
            Kind::Json => Vec::new(),
            Kind::Standard => {
                let names: Vec<&str> = self.fields.iter().map(|field| field.name).collect();
                format!("#Version: 1.0\n#Fields: {}\n", names.join(" ")).into_bytes()
            }
        }
    }

    /// Appends the line of a request, with its end.
    pub fn line(&self, record: &Record, out: &mut Vec<u8>) {
        for (at, field) in self.fields.iter().enumerate() {
            match self.kind {
                Kind::Standard if at > 0 => out.push(b'\t'),
                Kind::Standard => {}
                Kind::Json => {
                    out.extend_from_slice(if at > 0 { b"\",\"" } else { b"{\"" });
                    out.extend_from_slice(field.name.as_bytes());
                    out.extend_from_slice(b"\":\"");
                }
            }
            field.write(record, out);
        }
        if self.kind == Kind::Json {
            out.extend_from_slice(b"\"}");
        }
        out.push(b'\n');
    }
}

impl Field {
    /// The field of this name, which is written as CloudFront writes it.
    pub fn named(name: &str) -> Option<&'static Self> {
        FIELDS.iter().find(|field| field.name == name)
    }

    /// Appends its value.
    pub fn write(&self, record: &Record, out: &mut Vec<u8>) {
        let mut out = Out::new(out);
        (self.value)(record, &mut out);
        out.close();
    }
}
