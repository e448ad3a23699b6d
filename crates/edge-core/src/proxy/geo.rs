//! Where viewers are: databases in MaxMind's format, or what somebody says for his own machine.
//!
//! It looks up and translates; what follows from a place is the core's. What no database knows is unknown, and an
//! unknown place is refused nothing (§12.1).

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderName;
use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

use crate::distribution::Country;
use crate::viewer::Request;
use crate::viewer::geo::Location;

/// Addresses whose place is remembered: reading one from a database costs microseconds and allocations.
const PLACES_REMEMBERED: u64 = 4_096;

/// Where places come from; nobody knows any by default.
#[derive(Debug, Clone, Default)]
pub struct GeoSettings {
    /// Databases in MaxMind's format (`.mmdb`): of cities or countries, and of autonomous systems. What the first does
    /// not know the next may.
    pub databases: Vec<PathBuf>,
    /// Where viewers are of whom no database knows the country, as those on one's own machine.
    pub elsewhere: Location,
    /// Whoever sends this header is in the country it names. For tests: any viewer can send it.
    pub country_header: Option<HeaderName>,
}

/// Tells where viewers are.
pub struct Locator {
    databases: Vec<Reader<Vec<u8>>>,
    elsewhere: Location,
    country_header: Option<HeaderName>,
    known: moka::sync::Cache<IpAddr, Option<Arc<Location>>>,
}

/// A database cannot be read.
#[derive(Debug)]
pub struct GeoError(PathBuf, MaxMindDbError);

impl fmt::Display for GeoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(path, why) = self;
        write!(
            f,
            "{}: {why}\n  hint: give a database in MaxMind's format, as GeoLite2-City.mmdb",
            path.display()
        )
    }
}

impl std::error::Error for GeoError {}

impl fmt::Debug for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locator").finish_non_exhaustive()
    }
}

impl Default for Locator {
    fn default() -> Self {
        Self::of(Vec::new(), &GeoSettings::default())
    }
}

impl Locator {
    /// Reads the databases into memory. Blocks while it does.
    pub fn open(settings: &GeoSettings) -> Result<Self, GeoError> {
        let read = |path: &PathBuf| {
            Reader::open_readfile(Path::new(path)).map_err(|error| GeoError(path.clone(), error))
        };
        let databases = settings.databases.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self::of(databases, settings))
    }

    fn of(databases: Vec<Reader<Vec<u8>>>, settings: &GeoSettings) -> Self {
        let known = moka::sync::Cache::new(PLACES_REMEMBERED);
        let GeoSettings { elsewhere, country_header, .. } = settings.clone();
        Self { databases, elsewhere, country_header, known }
    }

    /// Where the sender of this request is, as far as anybody knows.
    pub fn locate(&self, request: &Request) -> Option<Arc<Location>> {
        let said = self.country_header.as_ref().and_then(|name| request.headers.get(name));
        if let Some(country) = said.and_then(|value| Country::parse(value.to_str().ok()?)) {
            return Some(Arc::new(Location::in_country(country)));
        }
        let address = request.peer.ip();
        self.known.get_with(address, || self.look_up(address).map(Arc::new))
    }

    fn look_up(&self, address: IpAddr) -> Option<Location> {
        let mut found = Location::default();
        for database in &self.databases {
            // An address of the other family is no error of the database's.
            match database.lookup(address).and_then(|result| result.decode::<Record>()) {
                Ok(record) => record.unwrap_or_default().complete(&mut found),
                Err(error) => tracing::debug!(target: "edge::geo", %address, %error, "no place"),
            }
        }
        if found.country.is_none() {
            found = Location { asn: found.asn.or(self.elsewhere.asn), ..self.elsewhere.clone() };
        }
        (found != Location::default()).then_some(found)
    }
}

/// What is read of a record: the fields of MaxMind's databases of cities, countries and autonomous systems.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Record {
    country: Named,
    subdivisions: Vec<Named>,
    city: Named,
    location: Spot,
    postal: Postal,
    autonomous_system_number: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Named {
    iso_code: Option<String>,
    names: Names,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Names {
    en: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spot {
    latitude: Option<f64>,
    longitude: Option<f64>,
    metro_code: Option<u16>,
    time_zone: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Postal {
    code: Option<String>,
}

impl Record {
    /// Adds what is not known yet. All of a place comes from one database, so that no city is in another's country.
    fn complete(self, found: &mut Location) {
        found.asn = found.asn.or(self.autonomous_system_number);
        let country = self.country.iso_code.as_deref().and_then(Country::parse);
        if found.country.is_some() || country.is_none() {
            return;
        }
        // The largest comes first: CloudFront tells of states and provinces, not of what is inside them.
        let region = self.subdivisions.into_iter().next().unwrap_or_default();
        *found = Location {
            country,
            country_name: self.country.names.en,
            region: region.iso_code,
            region_name: region.names.en,
            city: self.city.names.en,
            latitude: self.location.latitude,
            longitude: self.location.longitude,
            metro_code: self.location.metro_code,
            postal_code: self.postal.code,
            time_zone: self.location.time_zone,
            asn: found.asn,
        };
    }
}
