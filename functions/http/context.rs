//! The context of a request, from API Gateway's payload 2.0 (HTTP APIs) or 1.0 (REST APIs).

use lambda_http::aws_lambda_events::apigw::{
    ApiGatewayProxyRequestContext, ApiGatewayV2httpRequestContext,
};
use lambda_http::request::RequestContext as GatewayContext;
use lambda_http::{Request, RequestExt};

use super::Route;
use crate::event::Timestamp;

/// The context of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The path that the client used, stage prefix included, with one slash at its start and none
    /// at its end.
    pub path: String,
    /// The route that the request came by.
    pub route: Route,
    /// The path parameter `id`, on the routes that have one.
    pub id: Option<String>,
    /// The path parameter `path`, on the route that has one: a file of the transparency log.
    pub file: Option<String>,
    /// The authenticated caller: an IAM ARN, or a JWT's subject.
    pub caller: Option<String>,
    /// The source IP address.
    pub source_ip: Option<String>,
    /// API Gateway's request id, which the client sees too; without one, Lambda's.
    pub request_id: String,
    /// When Lambda will stop the function, if it said so.
    pub deadline: Option<Timestamp>,
}

impl RequestContext {
    /// Reads the context of a request.
    pub fn of(request: &Request) -> RequestContext {
        let mut context = RequestContext {
            path: request.raw_http_path().to_owned(),
            route: Route::of(request),
            id: path_parameter(request, "id"),
            file: path_parameter(request, "path"),
            ..RequestContext::default()
        };
        if let Some(lambda) = request.lambda_context_ref() {
            context.request_id.clone_from(&lambda.request_id);
            if lambda.deadline > 0 {
                context.deadline = Some(Timestamp::from_millis(lambda.deadline));
            }
        }
        match request.request_context_ref() {
            Some(GatewayContext::ApiGatewayV2(gateway)) => context.read_http_api(gateway),
            Some(GatewayContext::ApiGatewayV1(gateway)) => context.read_rest_api(gateway),
            _ => {}
        }
        context.path = on_this_host(&context.path);
        context
    }

    fn read_http_api(&mut self, gateway: &ApiGatewayV2httpRequestContext) {
        if let Some(authorizer) = &gateway.authorizer {
            let iam = authorizer.iam.as_ref();
            let jwt = authorizer.jwt.as_ref();
            let arn = iam.and_then(|iam| iam.user_arn.clone());
            let subject = jwt.and_then(|jwt| jwt.claims.get("sub").cloned());
            self.caller = arn.or(subject);
        }
        self.source_ip.clone_from(&gateway.http.source_ip);
        self.set_request_id(gateway.request_id.as_ref());
    }

    fn read_rest_api(&mut self, gateway: &ApiGatewayProxyRequestContext) {
        let arn = gateway.identity.user_arn.clone();
        let claims = gateway.authorizer.fields.get("claims");
        let subject = claims.and_then(|claims| claims.get("sub")?.as_str());
        self.caller = arn.or(subject.map(str::to_owned));
        self.source_ip.clone_from(&gateway.identity.source_ip);
        self.set_request_id(gateway.request_id.as_ref());
        // Unlike the path of the payload, the path of its context has the stage, or the base path
        // of a custom domain.
        if let Some(path) = &gateway.path {
            self.path.clone_from(path);
        }
    }

    /// The caller in all of its sessions. The ARN of an assumed role ends with the name of a
    /// session, which is new each time the role is assumed, so it is left out. `None` where the log
    /// is open to everyone.
    pub fn principal(&self) -> Option<&str> {
        let caller = self.caller.as_deref()?;
        if !caller.contains(":assumed-role/") {
            return Some(caller);
        }
        match caller.rsplit_once('/') {
            Some((role, _session)) => Some(role),
            None => Some(caller),
        }
    }

    fn set_request_id(&mut self, id: Option<&String>) {
        match id {
            Some(id) if !id.is_empty() => self.request_id.clone_from(id),
            _ => {}
        }
    }
}

fn path_parameter(request: &Request, name: &str) -> Option<String> {
    let parameters = request.path_parameters_ref()?;
    parameters.first(name).map(str::to_owned)
}

/// A path as a reference begins with it. With two slashes in front it would name another host (RFC
/// 3986 §4.2), with none it could be one within the path of the request.
fn on_this_host(path: &str) -> String {
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_one_principal_in_every_session() {
        for (caller, principal) in [
            (
                Some("arn:aws:sts::123456789012:assumed-role/Billing/i-0abc"),
                Some("arn:aws:sts::123456789012:assumed-role/Billing"),
            ),
            (
                Some("arn:aws:iam::123456789012:user/ann"),
                Some("arn:aws:iam::123456789012:user/ann"),
            ),
            (Some("auth0|4711"), Some("auth0|4711")),
            (None, None),
        ] {
            let context = RequestContext {
                caller: caller.map(str::to_owned),
                ..RequestContext::default()
            };
            assert_eq!(context.principal(), principal);
        }
    }
}
