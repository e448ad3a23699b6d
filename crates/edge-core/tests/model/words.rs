//! Sequences in words, for whoever reads a failure.

use std::fmt;

use super::sequence::{Asked, Framing, Meanwhile, Origin, Reply, Request, Step, Trouble};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(origin) => write!(f, "the origin from now on: {origin}"),
            Self::Edit => f.write_str("the origin's pages are edited"),
            Self::Pass(seconds) => write!(f, "{seconds} s go by"),
            Self::Invalidate(pattern) => write!(f, "{pattern} is invalidated"),
            Self::Visit(request, meanwhile) => write!(f, "{request}{meanwhile}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trouble {
            Trouble::Refuses => return f.write_str("refuses connections"),
            Trouble::Resets => return f.write_str("resets connections"),
            Trouble::Cuts => f.write_str("breaks off within ")?,
            Trouble::None => {}
        }
        write!(f, "{}, Cache-Control: {:?}", self.status, self.cache_control)?;
        for (is_so, what) in [
            (self.age > 0, ", some seconds old"),
            (!self.etag, ", no ETag"),
            (!self.ranges, ", no ranges"),
            (self.set_cookie, ", Set-Cookie"),
            (self.vary, ", Vary"),
            (self.framing == Framing::Chunked, ", chunked"),
            (self.framing == Framing::Close, ", ended by closing"),
        ] {
            if is_so {
                f.write_str(what)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.head { "HEAD" } else { "GET" }, self.path)?;
        if let Some(query) = self.query {
            write!(f, "?{query}")?;
        }
        if let Some(range) = self.range {
            write!(f, ", Range: {}", range.field())?;
        }
        if let Some(ago) = self.if_none_match {
            write!(f, ", If-None-Match: what it was {ago} edits ago")?;
        }
        if let Some(cookie) = self.cookie {
            write!(f, ", Cookie: {cookie}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Leaves => f.write_str("; the viewer leaves after the head"),
            Self::Again(None) => f.write_str("; the same at once by another"),
            Self::Again(Some(pattern)) => {
                write!(f, "; meanwhile {pattern} is invalidated, then the same by another")
            }
            Self::Overtaken => f.write_str(
                "; while the body arrives all is invalidated, and the same by another is done before",
            ),
            Self::Invalidated(pattern) => write!(f, "; {pattern} is invalidated while the origin is asked"),
            Self::InvalidatedInBody(pattern) => {
                write!(f, "; {pattern} is invalidated while the body arrives")
            }
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.x_cache)?;
        if let Some(age) = self.age {
            write!(f, ", Age: {age}")?;
        }
        for (name, value) in [("ETag", &self.etag), ("Content-Range", &self.content_range)] {
            if let Some(value) = value {
                write!(f, ", {name}: {value}")?;
            }
        }
        f.write_str(if self.set_cookie { ", Set-Cookie" } else { "" })?;
        write!(f, ", {:?}{}", self.body, if self.cut { ", cut" } else { "" })
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.head { "HEAD" } else { "GET" }, self.target)?;
        let fields =
            [("Cookie", &self.cookie), ("If-None-Match", &self.if_none_match), ("Range", &self.range)];
        for (name, value) in fields {
            if let Some(value) = value {
                write!(f, ", {name}: {value}")?;
            }
        }
        Ok(())
    }
}
