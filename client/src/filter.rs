//! Which events a list has.

use std::fmt;

/// Which events a list has, and in which order. An empty filter has everyone's, newest first.
///
/// ```
/// use audit_log_client::{Filter, Order};
///
/// let filter = Filter::new()
///     .user_id("7")
///     .from("2024-03-01T00:00:00Z")
///     .to("2024-04-01T00:00:00Z")
///     .order(Order::Ascending);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    user_id: Option<String>,
    event_type: Option<String>,
    src_service: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
    order: Order,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest event first.
    #[default]
    Descending,
    /// The oldest event first.
    Ascending,
}

impl Filter {
    /// All events.
    pub fn new() -> Filter {
        Filter::default()
    }

    /// Only the events of this user.
    #[must_use]
    pub fn user_id(self, user_id: impl Into<String>) -> Filter {
        Filter {
            user_id: Some(user_id.into()),
            ..self
        }
    }

    /// Only the events of this type.
    #[must_use]
    pub fn event_type(self, event_type: impl Into<String>) -> Filter {
        Filter {
            event_type: Some(event_type.into()),
            ..self
        }
    }

    /// Only the events of this service.
    #[must_use]
    pub fn src_service(self, src_service: impl Into<String>) -> Filter {
        Filter {
            src_service: Some(src_service.into()),
            ..self
        }
    }

    /// Only the events at this time (RFC 3339) or later.
    #[must_use]
    pub fn from(self, from: impl Into<String>) -> Filter {
        Filter {
            from: Some(from.into()),
            ..self
        }
    }

    /// Only the events before this time (RFC 3339).
    #[must_use]
    pub fn to(self, to: impl Into<String>) -> Filter {
        Filter {
            to: Some(to.into()),
            ..self
        }
    }

    /// The order.
    #[must_use]
    pub fn order(self, order: Order) -> Filter {
        Filter { order, ..self }
    }

    /// Only the events that follow the one with this id, in this order.
    #[must_use]
    pub fn after(self, id: impl Into<String>) -> Filter {
        Filter {
            cursor: Some(id.into()),
            ..self
        }
    }

    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Whether an id lies behind another one in this order. Ids are times, and sort as text.
    pub(crate) fn is_behind(&self, id: &str, other: &str) -> bool {
        match self.order {
            Order::Ascending => id > other,
            Order::Descending => id < other,
        }
    }

    /// The parameters of the query.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let order = match self.order {
            Order::Ascending => Some("asc"),
            Order::Descending => None,
        };
        let parameters = [
            ("user_id", self.user_id.as_deref()),
            ("event_type", self.event_type.as_deref()),
            ("src_service", self.src_service.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("order", order),
            ("cursor", self.cursor.as_deref()),
        ];
        parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// The filter as a query string, not encoded, for a person.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: Vec<String> = self
            .parameters()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        f.write_str(&parameters.join("&"))
    }
}
