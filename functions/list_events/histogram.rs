//! `GET /events/histogram`: how many events each of several ranges of time has.

use lambda_http::http::{Response, StatusCode};
use lambda_http::{Body, Request, RequestExt};
use serde::Serialize;

use super::{ListEvents, problem};
use crate::count::Histogram;
use crate::event::{Buckets, Exact};
use crate::http::{HistogramQuery, Problem, accepts_json, json_response};

/// The body of the response.
#[derive(Serialize)]
struct HistogramBody {
    buckets: Vec<Bucket>,
    total_exact: bool,
}

/// A range of time, which a client can use as `from` and `to` of a list.
#[derive(Serialize)]
struct Bucket {
    from: String,
    to: String,
    count: u64,
}

impl ListEvents {
    pub(super) async fn histogram(&self, request: &Request) -> Result<Response<Body>, Problem> {
        accepts_json(request)?;
        let parameters = request.query_string_parameters();
        let query = HistogramQuery::parse(&parameters, request.uri().query())?;
        let scope = self.scope(query.filter.as_slice())?;

        let now = self.effects.now();
        let index = self.count.index(&scope).await.map_err(problem)?;
        let histogram = self.count.histogram(&index, &query.buckets, now);
        let histogram = histogram.await.map_err(problem)?;
        let body = body(&query.buckets, histogram)?;
        Ok(json_response(StatusCode::OK, None, body))
    }
}

fn body(buckets: &Buckets, histogram: Histogram) -> Result<String, Problem> {
    let counted = buckets.times().zip(histogram.counts);
    let buckets = counted.map(|((from, to), count)| Bucket {
        from: Exact(from).to_string(),
        to: Exact(to).to_string(),
        count,
    });
    let body = HistogramBody {
        buckets: buckets.collect(),
        total_exact: histogram.exact,
    };
    serde_json::to_string(&body).map_err(|error| Problem::internal(error.to_string()))
}
