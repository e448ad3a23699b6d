//! What the signs found in a User-Agent amount to. The order of the rules is the whole of it: agents name the
//! devices they imitate, so the sign that nobody imitates goes first.

use super::signs::{Sign, Signs};
use super::{Class, Os};

/// The class of the device; `None` when no sign tells.
pub(super) fn class(signs: Signs) -> Option<Class> {
    let has = |sign| signs.has(sign);
    if has(Sign::Television) {
        return Some(Class::SmartTv);
    }
    // An application made for iPhones says so on an iPad too, and shows what an iPhone shows.
    if has(Sign::Phone) {
        return Some(Class::Mobile);
    }
    if has(Sign::IPad) {
        return Some(Class::Tablet);
    }
    if has(Sign::WindowsPhone) || has(Sign::IPhone) {
        return Some(Class::Mobile);
    }
    // Fire OS hides that it is Android, but not that it is Linux. Elsewhere a word like a tablet's name is
    // chance.
    let model = has(Sign::TabletModel) && signs.has_any(&[Sign::Android, Sign::Linux]);
    if (has(Sign::Tablet) || model) && !has(Sign::NotTablet) {
        return Some(Class::Tablet);
    }
    // Internet Explorer of Windows 8.1 and 10 says "Touch" on tablets, and on few laptops.
    if has(Sign::TouchWindows) && has(Sign::Touch) {
        return Some(Class::Tablet);
    }
    // What imitates a phone on a PC still names its processor; no phone does both.
    if has(Sign::Windows) && has(Sign::X86) {
        return Some(Class::Desktop);
    }
    // A Chromebook runs applications made for Android.
    if has(Sign::ChromeOs) {
        return Some(Class::Desktop);
    }
    if has(Sign::Android) {
        return Some(android(signs));
    }
    // An iPad that asks for desktop pages calls itself a Macintosh; then it is to have desktop pages.
    if has(Sign::OtherDesktop) || has(Sign::Mac) && has(Sign::Mobile) && !has(Sign::AppleApp) {
        return Some(Class::Desktop);
    }
    if signs.has_any(&[Sign::FeaturePhone, Sign::Mobile, Sign::Ios]) {
        return Some(Class::Mobile);
    }
    // Apple's network library names no device. On a Mac it names the processor; where it does not, phones are
    // likelier.
    if has(Sign::AppleApp) {
        return Some(if has(Sign::X86) { Class::Desktop } else { Class::Mobile });
    }
    // Windows RT; Windows on ARM proper says that it runs on x86.
    if has(Sign::Windows) && has(Sign::Arm) {
        return Some(Class::Tablet);
    }
    if has(Sign::Embedded) && !has(Sign::X86) {
        return Some(Class::SmartTv);
    }
    signs.has_any(&[Sign::Windows, Sign::Mac, Sign::Linux]).then_some(Class::Desktop)
}

/// A browser on an Android phone says "Mobile" and one on a tablet does not: Google's own rule. Applications
/// say neither, nor do the web views of some old phones; there the model decides, and else a phone is
/// likelier.
fn android(signs: Signs) -> Class {
    let says_phone = signs.has_any(&[Sign::Mobile, Sign::PhoneModel, Sign::FeaturePhone]);
    let browser = signs.has(Sign::Safari);
    if says_phone || !browser { Class::Mobile } else { Class::Tablet }
}

/// The system of the device. Phones with Windows say that they are like iPhones and Androids, and all say
/// Linux.
pub(super) fn os(signs: Signs) -> Os {
    const ORDER: [(&[Sign], Os); 8] = [
        (&[Sign::AppleTv], Os::Other),
        (&[Sign::WindowsPhone], Os::Windows),
        (&[Sign::IPad, Sign::IPhone, Sign::Ios], Os::Ios),
        (&[Sign::Android], Os::Android),
        (&[Sign::Windows], Os::Windows),
        (&[Sign::Mac], Os::MacOs),
        (&[Sign::ChromeOs], Os::ChromeOs),
        (&[Sign::Linux], Os::Linux),
    ];
    // Without a processor, as in the rule for the class.
    if signs.has(Sign::AppleApp) && !signs.has(Sign::X86) {
        return Os::Ios;
    }
    ORDER.iter().find(|(wanted, _)| signs.has_any(wanted)).map_or(Os::Other, |(_, os)| *os)
}
