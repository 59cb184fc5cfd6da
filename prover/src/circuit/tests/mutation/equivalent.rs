//! Rules that no forgery can be made for, because what they say follows from others or is read by
//! nothing, each with the reason.

pub(super) const EQUIVALENT: [(&str, &str); 0] = [];
