//! Which kind of device a viewer uses, told from its `User-Agent` alone: what the six
//! `CloudFront-Is-*-Viewer` headers say (reference §6).
//!
//! AWS does not publish its rules, and lets several of the headers be true at once (a tablet may be "mobile"
//! too). Here **exactly one of the four classes is true**, so that a page has four variants and not sixteen;
//! iOS and Android stand beside the class. A home console is a smart TV and a portable one is mobile, after
//! the screen they use; an e-reader is a tablet; a bot is what its agent claims to be, and a desktop when it
//! claims nothing, like anything unknown.
//!
//! [`Device::of`] reads the agent once for every text of `table`, weighs the finds in `verdict`, and asks
//! woothee when there is none. It knows nothing of requests or caches. [`Memo`] remembers its answers.

mod memo;
mod signs;
mod table;
mod verdict;

use std::fmt;

use http::HeaderName;

pub use memo::Memo;
use signs::Signs;

/// The bytes of a User-Agent that are read; what follows them changes nothing. Real agents end well before.
const CONSIDERED_BYTES_MAX: usize = 1024;

/// What a viewer holds in hand or sits before. Every device is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A phone, or something as small.
    Mobile,
    /// A tablet or an e-reader.
    Tablet,
    /// A computer, and whatever is not known.
    Desktop,
    /// A television, or a box or console that uses one.
    SmartTv,
}

/// The system a device runs, as far as its User-Agent tells. The headers know iOS and Android only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Os {
    /// iOS and iPadOS; not the systems of Apple's televisions and watches.
    Ios,
    /// Android.
    Android,
    /// Windows, on phones too.
    Windows,
    /// macOS.
    MacOs,
    /// ChromeOS.
    ChromeOs,
    /// Linux and the free Unixes, where they do not say that they are Android.
    Linux,
    /// Any other, or none named.
    Other,
}

/// What a User-Agent tells of the device behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// Its class.
    pub class: Class,
    /// Its system.
    pub os: Os,
}

/// A device header and the devices it is true for.
type Header = (HeaderName, fn(Device) -> bool);

/// The six headers, in alphabetical order (reference §6).
const HEADERS: [Header; 6] = [
    (HeaderName::from_static("cloudfront-is-android-viewer"), |device| device.os == Os::Android),
    (HeaderName::from_static("cloudfront-is-desktop-viewer"), |device| device.class == Class::Desktop),
    (HeaderName::from_static("cloudfront-is-ios-viewer"), |device| device.os == Os::Ios),
    (HeaderName::from_static("cloudfront-is-mobile-viewer"), |device| device.class == Class::Mobile),
    (HeaderName::from_static("cloudfront-is-smarttv-viewer"), |device| device.class == Class::SmartTv),
    (HeaderName::from_static("cloudfront-is-tablet-viewer"), |device| device.class == Class::Tablet),
];

impl Device {
    /// What an agent that tells nothing is taken for, and where nobody asked.
    pub const UNKNOWN: Device = Device { class: Class::Desktop, os: Os::Other };

    /// The device that sends `user_agent`: an answer for any bytes, in time that is bounded whatever they
    /// are.
    pub fn of(user_agent: &[u8]) -> Device {
        let user_agent = considered(user_agent);
        let signs = Signs::of(user_agent);
        let class = verdict::class(signs).or_else(|| woothee_class(user_agent)).unwrap_or(Class::Desktop);
        Device { class, os: verdict::os(signs) }
    }

    /// All six device headers with their values.
    pub fn headers(self) -> impl Iterator<Item = (HeaderName, &'static str)> {
        HEADERS.into_iter().map(move |(name, is_true)| (name, text(is_true(self))))
    }

    /// The value of the device header `name`; `None` for any other header.
    pub fn header(self, name: &HeaderName) -> Option<&'static str> {
        HEADERS.iter().find(|(known, _)| known == name).map(|(_, is_true)| text(is_true(self)))
    }
}

fn text(truth: bool) -> &'static str {
    if truth { "true" } else { "false" }
}

fn considered(user_agent: &[u8]) -> &[u8] {
    &user_agent[..user_agent.len().min(CONSIDERED_BYTES_MAX)]
}

/// woothee's opinion, for agents the table knows nothing of: it knows the handsets of Japan by heart.
fn woothee_class(user_agent: &[u8]) -> Option<Class> {
    let user_agent = std::str::from_utf8(user_agent).ok()?;
    match woothee::parser::Parser::new().parse(user_agent)?.category {
        "smartphone" | "mobilephone" => Some(Class::Mobile),
        "appliance" => Some(Class::SmartTv),
        _ => None,
    }
}

/// `tablet ios`: the class and the system, a word each.
impl fmt::Display for Device {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.class, self.os)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Class::Mobile => "mobile",
            Class::Tablet => "tablet",
            Class::Desktop => "desktop",
            Class::SmartTv => "tv",
        })
    }
}

impl fmt::Display for Os {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Os::Ios => "ios",
            Os::Android => "android",
            Os::Windows => "windows",
            Os::MacOs => "macos",
            Os::ChromeOs => "chromeos",
            Os::Linux => "linux",
            Os::Other => "other",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One line is one case: the User-Agent and what `Display` says of it.
    #[test]
    fn agents() {
        for (user_agent, expected) in [
            ("", "desktop other"),
            ("-", "desktop other"),
            ("curl/8.5.0", "desktop other"),
            ("Amazon CloudFront", "desktop other"),
            (
                "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1",
                "tablet ios",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
                "mobile ios",
            ),
            ("AppleCoreMedia/1.0.0.12F69 (Apple TV; U; CPU OS 8_3 like Mac OS X; en_us)", "tv other"),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/125.0.0.0 Mobile Safari/537.36",
                "mobile android",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Chrome/125.0.0.0 Safari/537.36",
                "tablet android",
            ),
            (
                "Mozilla/5.0 (Linux; U; Android 4.0; GT-P7500 Build/X) Version/4.0 Mobile Safari/534.30",
                "tablet android",
            ),
            ("Dalvik/2.1.0 (Linux; U; Android 9; ANE-LX1 Build/HUAWEIANE-L01)", "mobile android"),
            ("Mozilla/5.0 (Linux; Android 9; AFTMM Build/NS6265; wv) Mobile Safari/537.36", "tv android"),
            ("Mozilla/5.0 (SMART-TV; Linux; Tizen 5.0) AppleWebKit/537.36 TV Safari/537.36", "tv linux"),
            (
                "Mozilla/5.0 (Windows Phone 10.0; Android 6.0.1; Lumia 950) Mobile Safari/537.36",
                "mobile windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/125.0.0.0",
                "desktop windows",
            ),
            ("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.1; Tablet PC 2.0)", "desktop windows"),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Safari/605.1.15",
                "desktop macos",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/125.0.0.0",
                "desktop chromeos",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0", "desktop linux"),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "desktop other"),
            (
                "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Mobile Safari/537.36 (compatible; Googlebot/2.1)",
                "mobile android",
            ),
        ] {
            assert_eq!(Device::of(user_agent.as_bytes()).to_string(), expected, "{user_agent}");
        }
    }

    #[test]
    fn case_changes_nothing() {
        assert_eq!(Device::of(b"MOZILLA/5.0 (IPAD; CPU OS 9_1)").to_string(), "tablet ios");
    }

    #[test]
    fn headers_of_an_android_tablet() {
        let device = Device { class: Class::Tablet, os: Os::Android };
        let lines: Vec<String> = device.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            lines,
            [
                "cloudfront-is-android-viewer: true",
                "cloudfront-is-desktop-viewer: false",
                "cloudfront-is-ios-viewer: false",
                "cloudfront-is-mobile-viewer: false",
                "cloudfront-is-smarttv-viewer: false",
                "cloudfront-is-tablet-viewer: true",
            ]
        );
        assert_eq!(device.header(&HeaderName::from_static("cloudfront-is-tablet-viewer")), Some("true"));
        assert_eq!(device.header(&http::header::USER_AGENT), None);
    }

    #[test]
    fn what_follows_the_considered_bytes_changes_nothing() {
        let mut user_agent = vec![b'x'; CONSIDERED_BYTES_MAX];
        user_agent.extend_from_slice(b" (iPad; CPU OS 9_1)");
        assert_eq!(Device::of(&user_agent).class, Class::Desktop);
    }

    proptest! {
        /// Any bytes have an answer, and one class. Texts of the table between them find its edges.
        #[test]
        fn total(
            bytes in prop::collection::vec(any::<u8>(), 0..1500),
            text in prop::sample::select(rows()),
            at in any::<prop::sample::Index>(),
        ) {
            let mut user_agent = bytes;
            let at = at.index(user_agent.len() + 1);
            user_agent.splice(at..at, text.bytes());
            let device = Device::of(&user_agent);
            let classes = ["desktop", "mobile", "smarttv", "tablet"];
            let names = classes.map(|class| format!("cloudfront-is-{class}-viewer"));
            let headers = names.iter().map(|name| HeaderName::try_from(name).unwrap());
            let claimed = headers.filter(|name| device.header(name) == Some("true"));
            prop_assert_eq!(claimed.count(), 1);
        }
    }

    fn rows() -> Vec<&'static str> {
        table::rows().map(|(_, row)| row).collect()
    }
}
