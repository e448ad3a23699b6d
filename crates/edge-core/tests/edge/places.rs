//! Where viewers are, on the wire: from databases, from what the operator says, from a header of a test's.

use std::net::IpAddr;
use std::path::Path;

use edge_core::distribution::{Country, GeoRestriction, HeaderForwarding};
use edge_core::proxy::edge::Viewer as From;
use edge_core::proxy::geo::{GeoSettings, Locator};
use edge_core::viewer::geo::Location;
use edge_core::viewer::{Request, Scheme, Stream};
use http::HeaderName;

use super::*;

fn databases() -> GeoSettings {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/geo");
    let databases = ["places.mmdb", "networks.mmdb"].map(|name| folder.join(name)).to_vec();
    GeoSettings { databases, ..GeoSettings::default() }
}

fn country(code: &str) -> Country {
    Country::parse(code).unwrap()
}

fn request_of(address: &str, fields: &[(&str, &str)]) -> Request {
    let mut request = http::Request::get("/").header("host", HOST);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let peer = (address.parse::<IpAddr>().unwrap(), 40_000).into();
    Request::read(parts, Scheme::Http, Stream::Ended, peer).unwrap()
}

#[test]
fn addresses_are_looked_up() {
    let locator = Locator::open(&databases()).unwrap();
    let at = |address: &str| locator.locate(&request_of(address, &[]));
    let expected = Location {
        country: Some(country("US")),
        country_name: Some("United States".to_owned()),
        region: Some("MI".to_owned()),
        region_name: Some("Michigan".to_owned()),
        city: Some("Ann Arbor".to_owned()),
        latitude: Some(42.3068),
        longitude: Some(-83.7059),
        metro_code: Some(505),
        postal_code: Some("48105".to_owned()),
        time_zone: Some("America/Detroit".to_owned()),
        asn: Some(64_496),
    };
    assert_eq!(at("192.0.2.77").as_deref(), Some(&expected));
    assert_eq!(at("192.0.2.77").as_deref(), Some(&expected), "again, from memory");
    assert_eq!(at("198.51.100.1").unwrap().city.as_deref(), Some("Zürich"));
    assert_eq!(at("2001:db8:1::1").unwrap().country, Some(country("FR")));
    let only_a_network = at("203.0.113.9").unwrap();
    assert_eq!((only_a_network.country, only_a_network.asn), (None, Some(64_511)));
    assert_eq!(at("127.0.0.1"), None);
}

#[test]
fn what_no_database_knows_may_be_said() {
    let elsewhere = Location::in_country(country("DE"));
    let country_header = Some(HeaderName::from_static("x-test-country"));
    let locator = Locator::open(&GeoSettings { elsewhere, country_header, ..databases() }).unwrap();
    let at = |address: &str, fields: &[(&str, &str)]| {
        locator.locate(&request_of(address, fields)).unwrap().country.unwrap().to_string()
    };
    assert_eq!(at("127.0.0.1", &[]), "DE");
    assert_eq!(at("192.0.2.1", &[]), "US");
    assert_eq!(at("192.0.2.1", &[("X-Test-Country", "JP")]), "JP");
    assert_eq!(at("192.0.2.1", &[("X-Test-Country", "Japan")]), "US");
    let unasked = Locator::open(&databases()).unwrap();
    let spoofed = request_of("192.0.2.1", &[("X-Test-Country", "JP")]);
    assert_eq!(unasked.locate(&spoofed).unwrap().country, Some(country("US")));
}

#[test]
fn what_is_no_database_is_said_with_its_name() {
    let settings = GeoSettings { databases: vec![file!().into()], ..GeoSettings::default() };
    let error = Locator::open(&settings).unwrap_err().to_string();
    assert!(error.contains(file!()) && error.contains("hint:"), "{error}");
}

/// A distribution that depends on places has them looked up, before anything is answered.
#[tokio::test]
async fn countries_are_refused_and_told_by_address() {
    let origin =
        Origin::answering(|head, _| ok("", field(head, "cloudfront-viewer-country").unwrap_or("nowhere")))
            .await;
    let world = World::with(&origin, |settings| {
        settings.geo = databases();
        settings.distribution.geo_restriction = GeoRestriction::AllBut(vec![country("US")]);
        let behavior = &mut settings.distribution.default_behavior;
        behavior.key.headers = vec![HeaderName::from_static("cloudfront-viewer-country")];
        behavior.forward.headers = HeaderForwarding::Defaults;
    })
    .await;
    let edge = world.server.edge();
    for (address, expected) in
        [("192.0.2.1", "403"), ("198.51.100.1", "CH"), ("2001:db8::1", "FR"), ("127.0.0.1", "nowhere")]
    {
        let addr = (address.parse::<IpAddr>().unwrap(), 40_000).into();
        let request =
            http::Request::get("/").header("host", HOST).body(http_body_util::Empty::new()).unwrap();
        let viewer = From { addr, scheme: Scheme::Http, tls: None };
        let response = soon("an answer", edge.handle(request, viewer)).await;
        let status = response.status();
        let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let got = if status == 200 {
            String::from_utf8_lossy(&body).into_owned()
        } else {
            status.as_str().to_owned()
        };
        assert_eq!(got, expected, "{address}");
    }
}
