//! `GET /events/facets`: values that were seen, for a person to choose from.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use lambda_http::http::{Response, StatusCode};
use lambda_http::{Body, Request, RequestExt};

use super::{ListEvents, problem};
use crate::count::FACET_FIELDS;
use crate::event::Field;
use crate::http::{Problem, accepts_json, json_response, no_parameters};

impl ListEvents {
    pub(super) async fn facets(&self, request: &Request) -> Result<Response<Body>, Problem> {
        accepts_json(request)?;
        let parameters = request.query_string_parameters();
        no_parameters(&parameters, request.uri().query())?;

        let reads = FACET_FIELDS.map(|field| self.counts.facets(field));
        let values = try_join_all(reads).await.map_err(problem)?;
        let names = FACET_FIELDS.map(Field::name);
        let facets: BTreeMap<_, _> = names.into_iter().zip(values).collect();
        let body = serde_json::to_string(&facets);
        let body = body.map_err(|error| Problem::internal(error.to_string()))?;
        Ok(json_response(StatusCode::OK, None, body))
    }
}
