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
    /// `/events/feed`
    Feed,
    /// `/events/{id}/proof`
    Proof,
    /// `/log/checkpoint`
    Checkpoint,
    /// `/log/{path+}`
    Tile,
}

impl Route {
    const ALL: [Route; 8] = [
        Route::Events,
        Route::Event,
        Route::Histogram,
        Route::Facets,
        Route::Feed,
        Route::Proof,
        Route::Checkpoint,
        Route::Tile,
    ];

    /// The path of the route in the template.
    pub const fn as_str(self) -> &'static str {
        match self {
            Route::Events => "/events",
            Route::Event => "/events/{id}",
            Route::Histogram => "/events/histogram",
            Route::Facets => "/events/facets",
            Route::Feed => "/events/feed",
            Route::Proof => "/events/{id}/proof",
            Route::Checkpoint => "/log/checkpoint",
            Route::Tile => "/log/{path+}",
        }
    }

    /// The route of a request, as API Gateway names it.
    ///
    /// The path of a request does not tell: it can begin with a stage or with the base path of a
    /// custom domain, and `/events/facets` is also a path of `/events/{id}`. API Gateway sends
    /// the route that it has chosen.
    ///
    /// `cargo lambda watch` sends the path parameters only, and the key `$default`. Then a path
    /// parameter `id` tells the routes of one event, and a parameter `path` that of a tile. Without
    /// them, the path tells which of the other routes it is.
    pub fn of(request: &Request) -> Route {
        if let Some(route) = chosen(request).as_deref().and_then(Route::at_end_of) {
            return route;
        }
        let path = request.raw_http_path().trim_end_matches('/');
        let parameters = request.path_parameters_ref();
        let has = |name| parameters.is_some_and(|parameters| parameters.first(name).is_some());
        if has("id") {
            return Route::of_one_event(path);
        }
        if has("path") {
            return Route::Tile;
        }
        Route::at_end_of(path).unwrap_or_default()
    }

    /// The route of a path that names one event. The name can be any text, `proof` among them.
    fn of_one_event(path: &str) -> Route {
        match path.strip_suffix("/proof") {
            Some(event) if !event.ends_with(Route::Events.as_str()) => Route::Proof,
            _ => Route::Event,
        }
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
