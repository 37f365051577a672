//! What other audit logs were asked for, each case on this one.

mod formats;
mod responses;
