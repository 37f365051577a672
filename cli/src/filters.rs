//! The options of every command that reads a list.

use audit_log_client::{Filter, Order};

/// Which events are listed.
#[derive(clap::Args)]
pub struct FilterArguments {
    /// Only events of this user.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only events of this type.
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Only events that this service reported.
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// Only events at this time or later, such as 2024-03-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// The order: asc is the oldest first, and desc the newest first.
    #[arg(long, value_enum)]
    order: Option<OrderArgument>,
}

/// The order of a list.
#[derive(Clone, Copy, clap::ValueEnum)]
enum OrderArgument {
    Asc,
    Desc,
}

impl FilterArguments {
    /// The filter, in this order if no other is given.
    pub fn filter(&self, default: Order) -> Filter {
        let order = match self.order {
            Some(OrderArgument::Asc) => Order::Ascending,
            Some(OrderArgument::Desc) => Order::Descending,
            None => default,
        };
        let mut filter = Filter::new().order(order);
        if let Some(user) = &self.user {
            filter = filter.user_id(user);
        }
        if let Some(event_type) = &self.r#type {
            filter = filter.event_type(event_type);
        }
        if let Some(service) = &self.service {
            filter = filter.src_service(service);
        }
        if let Some(from) = &self.from {
            filter = filter.from(from);
        }
        if let Some(to) = &self.to {
            filter = filter.to(to);
        }
        filter
    }
}
