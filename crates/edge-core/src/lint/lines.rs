//! On which line of a JSON text a place is: editors and code hosts show findings there.
//!
//! A parsed document has forgotten its lines, so the text is walked once more. Only texts that are documents are; the
//! places of YAML say their lines themselves, and of other texts nothing is known. It refuses to know what the places
//! mean.

use std::collections::HashMap;

/// The lines of a text, by place.
#[derive(Debug, Default)]
pub struct Lines {
    by_place: HashMap<String, u32>,
}

/// What the walk is inside of.
enum Frame {
    Object { place: String, key: Option<String> },
    Array { place: String, index: usize },
}

impl Frame {
    /// The place of the member the walk is at.
    fn member(&self) -> String {
        match self {
            Self::Object { place, key } => {
                let key = key.as_deref().unwrap_or_default();
                if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") }
            }
            Self::Array { place, index } => format!("{place}[{index}]"),
        }
    }
}

impl Lines {
    /// Those of a JSON text; none where it is no JSON.
    pub fn of(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            return Self::default();
        }
        let mut lines = Self::default();
        let mut frames: Vec<Frame> = Vec::new();
        let (mut at, mut line) = (0, 1);
        let bytes = text.as_bytes();
        while let Some(&byte) = bytes.get(at) {
            let mut length = 1;
            match byte {
                b'\n' => line += 1,
                b' ' | b'\t' | b'\r' | b':' => {}
                b'}' | b']' => _ = frames.pop(),
                b',' => match frames.last_mut() {
                    Some(Frame::Object { key, .. }) => *key = None,
                    Some(Frame::Array { index, .. }) => *index += 1,
                    None => {}
                },
                _ => {
                    let is_text = byte == b'"';
                    length = if is_text { text_length(&bytes[at..]) } else { token_length(&bytes[at..]) };
                    if let (true, Some(Frame::Object { key: key @ None, .. })) = (is_text, frames.last_mut())
                    {
                        *key = Some(text[at + 1..at + length - 1].to_owned());
                        let place = frames.last().map(Frame::member).unwrap_or_default();
                        lines.by_place.insert(place, line);
                    } else {
                        let place = frames.last().map(Frame::member).unwrap_or_default();
                        lines.by_place.entry(place.clone()).or_insert(line);
                        match byte {
                            b'{' => frames.push(Frame::Object { place, key: None }),
                            b'[' => frames.push(Frame::Array { place, index: 0 }),
                            _ => {}
                        }
                    }
                }
            }
            at += length;
        }
        lines
    }

    /// The line of a place, from 1; where the place itself is missing, of what it would stand in.
    pub fn line(&self, place: &str) -> Option<u32> {
        // The loader's own place of a text that is no JSON.
        if let Some(rest) = place.strip_prefix("line ") {
            return rest.split(',').next()?.parse().ok();
        }
        if let (_, line @ Some(_)) = apart(place) {
            return line;
        }
        let has = |key: &str| self.by_place.contains_key(key);
        // A bare `DistributionConfig` is the whole text; what is neither that nor around one has other places.
        let bare = has("Origins") || has("DefaultCacheBehavior") || has("CallerReference");
        if !bare && !has("DistributionConfig") && !has("Distribution") {
            return None;
        }
        let mut place = match place.strip_prefix("DistributionConfig") {
            Some(rest) if bare => rest.trim_start_matches('.'),
            _ => place,
        };
        loop {
            if let Some(&line) = self.by_place.get(place) {
                return Some(line);
            }
            if place.is_empty() {
                return None;
            }
            place = &place[..place.rfind(['.', '[']).unwrap_or_default()];
        }
    }
}

/// A place of a form that knows its lines (`Resources.Site (line 12)`), without the line, and the line.
pub fn apart(place: &str) -> (&str, Option<u32>) {
    let parts = || {
        let (place, line) = place.strip_suffix(')')?.rsplit_once(" (line ")?;
        Some((place, line.parse().ok()?))
    };
    parts().map_or((place, None), |(place, line)| (place, Some(line)))
}

/// A string with its quotes; the text is JSON, so it ends.
fn text_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A bracket, a number or a word.
fn token_length(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'{' | b'[') => 1,
        _ => {
            let ends = |byte: &u8| b",]}: \t\r\n".contains(byte);
            bytes.iter().position(ends).unwrap_or(bytes.len()).max(1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, apart};

    #[test]
    fn places_have_lines() {
        let text = "{\n \"ETag\": \"a\\\"{,\",\n \"DistributionConfig\": {\n  \"Aliases\": {\"Quantity\": 2, \"Items\": [\n   \"a\",\n   \"b\"\n  ]},\n  \"Enabled\": true,\n  \"Origins\": {\"Items\": [{\n   \"Id\": \"x\"\n  }, 7]}\n }\n}\n";
        let lines = Lines::of(text);
        for (place, line) in [
            ("DistributionConfig", 3),
            ("DistributionConfig.Aliases", 4),
            ("DistributionConfig.Aliases.Items[0]", 5),
            ("DistributionConfig.Aliases.Items[1]", 6),
            ("DistributionConfig.Enabled", 8),
            ("DistributionConfig.Origins.Items[0].Id", 10),
            ("DistributionConfig.Origins.Items[0].OriginShield.Enabled", 9), // missing: where its origin is
            ("DistributionConfig.Origins.Items[1]", 11),
            ("DistributionConfig.DefaultRootObject", 3),
            ("line 3, column 7", 3),
        ] {
            assert_eq!(lines.line(place), Some(line), "{place}");
        }
    }

    #[test]
    fn places_of_templates_say_their_lines() {
        let lines = Lines::of("Resources:\n");
        assert_eq!(lines.line("Resources.Site.Properties (line 17)"), Some(17));
        assert_eq!(apart("Resources.Site (line 17)"), ("Resources.Site", Some(17)));
        for place in ["Resources.Site (line x)", "Resources.Site", "Site (line 3"] {
            assert_eq!(apart(place), (place, None));
        }
    }

    #[test]
    fn a_bare_config_is_the_whole_text() {
        let lines = Lines::of("{\n \"CallerReference\": \"x\",\n \"Enabled\": true\n}");
        assert_eq!(lines.line("DistributionConfig.Enabled"), Some(3));
        assert_eq!(lines.line("DistributionConfig.HttpVersion"), Some(1));
        assert_eq!(lines.line("DistributionConfig"), Some(1));
    }

    #[test]
    fn what_is_no_document_has_none() {
        for text in ["", "{\"Resources\": {}}", "preset = 'wordpress'", "<DistributionConfig/>", "{\"a\": "] {
            assert_eq!(Lines::of(text).line("DistributionConfig.Enabled"), None, "{text}");
        }
    }
}
