//! The route of the API that a request came by.

use lambda_http::request::RequestContext as GatewayContext;
use lambda_http::{Request, RequestExt};

/// A route, whatever its method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// `/events`
    #[default]
    Events,
    /// `/events/{id}`
    Event,
    /// `/events/histogram`
    Histogram,
    /// `/events/facets`
    Facets,
}

impl Route {
    const ALL: [Route; 4] = [Route::Events, Route::Event, Route::Histogram, Route::Facets];

    /// The path of the route in the template.
    pub const fn as_str(self) -> &'static str {
        match self {
            Route::Events => "/events",
            Route::Event => "/events/{id}",
            Route::Histogram => "/events/histogram",
            Route::Facets => "/events/facets",
        }
    }

    /// The route of a request, as API Gateway names it.
    ///
    /// The path of a request does not tell: it can begin with a stage or with the base path of a
    /// custom domain, and `/events/facets` is also a path of `/events/{id}`. API Gateway sends
    /// the route that it has chosen.
    ///
    /// `cargo lambda watch` sends the path parameters only, and the key `$default`. Then a path
    /// parameter `id` tells the route of one event. Without it, the path tells which of the other
    /// routes it is, because a path of one event has the parameter.
    pub fn of(request: &Request) -> Route {
        if let Some(route) = chosen(request).as_deref().and_then(Route::at_end_of) {
            return route;
        }
        let parameters = request.path_parameters_ref();
        if parameters.is_some_and(|parameters| parameters.first("id").is_some()) {
            return Route::Event;
        }
        let path = request.raw_http_path().trim_end_matches('/');
        Route::at_end_of(path).unwrap_or_default()
    }

    /// The route whose path is the end of this one.
    fn at_end_of(path: &str) -> Option<Route> {
        Route::ALL
            .into_iter()
            .find(|route| path.ends_with(route.as_str()))
    }
}

/// The key or the path of the route that API Gateway has chosen, in payload 2.0 and 1.0.
fn chosen(request: &Request) -> Option<String> {
    match request.request_context_ref()? {
        GatewayContext::ApiGatewayV2(gateway) => gateway.route_key.clone(),
        GatewayContext::ApiGatewayV1(gateway) => gateway.resource_path.clone(),
        _ => None,
    }
}
