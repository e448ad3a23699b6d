//! A browser's cookies, as far as WordPress goes: names, paths, and deletion.

/// Cookies in the order they were set.
#[derive(Default, Clone, Debug)]
pub(crate) struct Jar(Vec<Kept>);

#[derive(Clone, Debug)]
struct Kept {
    name: String,
    value: String,
    path: String,
}

impl Jar {
    /// A cookie that was always there.
    pub(crate) fn put(&mut self, name: &str, value: &str) {
        self.keep(&[format!("{name}={value}; path=/")], "/");
    }

    /// Keeps what an answer to this path sets; one that is over goes.
    pub(crate) fn keep(&mut self, set_cookies: &[String], path: &str) {
        for line in set_cookies {
            let mut parts = line.split("; ");
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let attributes: Vec<(String, &str)> = parts
                .map(|part| part.split_once('=').unwrap_or((part, "")))
                .map(|(name, value)| (name.to_ascii_lowercase(), value))
                .collect();
            let attribute =
                |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
            let folder =
                path.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
            let path = attribute("path").unwrap_or(folder).to_owned();
            self.0.retain(|kept| kept.name != name || kept.path != path);
            if attribute("max-age") != Some("0") {
                self.0.push(Kept { name: name.to_owned(), value: value.to_owned(), path });
            }
        }
    }

    /// What is sent for this path, the longer paths first (RFC 6265 §5.4).
    pub(crate) fn header(&self, path: &str) -> Option<String> {
        let mut fitting: Vec<&Kept> = self.0.iter().filter(|kept| covers(&kept.path, path)).collect();
        fitting.sort_by_key(|kept| std::cmp::Reverse(kept.path.len()));
        let pairs: Vec<String> = fitting.iter().map(|kept| format!("{}={}", kept.name, kept.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Names and values, the path aside.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|kept| (&*kept.name, &*kept.value))
    }

    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.0.iter().any(|kept| kept.name.starts_with(prefix))
    }
}

/// RFC 6265 §5.1.4.
fn covers(cookie: &str, path: &str) -> bool {
    path == cookie
        || path.strip_prefix(cookie).is_some_and(|rest| cookie.ends_with('/') || rest.starts_with('/'))
}
