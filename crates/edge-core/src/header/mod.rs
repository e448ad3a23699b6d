//! Headers past the door are types: small parsers, total over any bytes, that know nothing of distributions.
