//! Documents to send.

/// A document of `user` at `timestamp`.
pub fn event(user: &str, timestamp: &str) -> String {
    event_with(user, timestamp, "{}")
}

/// The same with some `app_data`.
pub fn event_with(user: &str, timestamp: &str, app_data: &str) -> String {
    let head = format!(r#""user_id":"{user}","event_type":"test","timestamp":"{timestamp}""#);
    let tail = format!(r#""src_service":"tests","invariant_data":null,"app_data":{app_data}"#);
    format!("{{{head},{tail}}}")
}

/// The document of the README, which every client of the old service knows.
pub fn readme_event(timestamp: &str) -> String {
    format!(
        r#"{{
    "user_id": "1",
    "event_type": "account_deleted",
    "timestamp": "{timestamp}",
    "src_service": "user_service",
    "invariant_data": {{
      "message": "User deleted account",
      "priority": 2,
      "trace": "trace_id_789"
    }},
    "app_data": {{
      "username": "jondoe",
      "email": "jondoe@example.com"
    }}
  }}"#
    )
}
