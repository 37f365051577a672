//! The machine-readable codes of errors.

/// The `code` of an error response. Callers may rely on it, so a code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// 400: the request itself is malformed.
    InvalidRequest,
    /// 400: a query parameter is unknown, repeated or out of range.
    InvalidParameter,
    /// 400: the body is not a JSON document that can be recorded.
    InvalidJson,
    /// 400: the document breaks a rule.
    InvalidEvent,
    /// 400: the Idempotency-Key breaks a rule.
    InvalidIdempotencyKey,
    /// 400: a batch without events, or with too many.
    InvalidBatch,
    /// 404: no such event, or no such file of the transparency log.
    NotFound,
    /// 404: the transparency log has no such entry yet.
    NotSealed,
    /// 406: the caller accepts none of the formats of an event.
    NotAcceptable,
    /// 413: the document is too large.
    EventTooLarge,
    /// 415: the body is not declared to be JSON.
    UnsupportedMediaType,
    /// 422: the Idempotency-Key recorded another document.
    IdempotencyKeyReused,
    /// 422: the events of the page do not fit into one response.
    PageTooLarge,
    /// 422: the number of the page lies beyond what one request examines.
    PageOutOfReach,
    /// 422: the filters of a histogram cannot be used together.
    FiltersNotCombinable,
    /// 500: a fault of the service.
    InternalError,
    /// 503: try again.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// All codes.
    pub const ALL: [ErrorCode; 17] = [
        ErrorCode::InvalidRequest,
        ErrorCode::InvalidParameter,
        ErrorCode::InvalidJson,
        ErrorCode::InvalidEvent,
        ErrorCode::InvalidIdempotencyKey,
        ErrorCode::InvalidBatch,
        ErrorCode::NotFound,
        ErrorCode::NotSealed,
        ErrorCode::NotAcceptable,
        ErrorCode::EventTooLarge,
        ErrorCode::UnsupportedMediaType,
        ErrorCode::IdempotencyKeyReused,
        ErrorCode::PageTooLarge,
        ErrorCode::PageOutOfReach,
        ErrorCode::FiltersNotCombinable,
        ErrorCode::InternalError,
        ErrorCode::TemporarilyUnavailable,
    ];

    /// The code as it stands in a response.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidRequest => "invalid_request",
            ErrorCode::InvalidParameter => "invalid_parameter",
            ErrorCode::InvalidJson => "invalid_json",
            ErrorCode::InvalidEvent => "invalid_event",
            ErrorCode::InvalidIdempotencyKey => "invalid_idempotency_key",
            ErrorCode::InvalidBatch => "invalid_batch",
            ErrorCode::NotFound => "not_found",
            ErrorCode::NotSealed => "not_sealed",
            ErrorCode::NotAcceptable => "not_acceptable",
            ErrorCode::EventTooLarge => "event_too_large",
            ErrorCode::UnsupportedMediaType => "unsupported_media_type",
            ErrorCode::IdempotencyKeyReused => "idempotency_key_reused",
            ErrorCode::PageTooLarge => "page_too_large",
            ErrorCode::PageOutOfReach => "page_out_of_reach",
            ErrorCode::FiltersNotCombinable => "filters_not_combinable",
            ErrorCode::InternalError => "internal_error",
            ErrorCode::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_lists_exactly_these_codes() {
        let description = include_str!("../../openapi.yaml");
        let description: serde_json::Value = serde_saphyr::from_str(description).unwrap();
        let listed = &description["components"]["schemas"]["Error"]["properties"]["code"]["enum"];
        let mut listed: Vec<&str> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|code| code.as_str().unwrap())
            .collect();
        let mut codes = ErrorCode::ALL.map(ErrorCode::as_str);
        listed.sort_unstable();
        codes.sort_unstable();
        assert_eq!(codes.as_slice(), listed);
    }

    #[test]
    fn the_documentation_explains_each_code() {
        let documentation = include_str!("../../docs/api.md");
        for code in ErrorCode::ALL.map(ErrorCode::as_str) {
            assert!(documentation.contains(&format!("`{code}`")), "{code}");
        }
    }
}
