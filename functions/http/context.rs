//! Where a request comes from, as API Gateway tells it: payload 2.0 (HTTP APIs) and 1.0 (REST APIs).

use lambda_http::request::RequestContext as GatewayContext;
use lambda_http::{Request, RequestExt};

use crate::event::Timestamp;

/// What a request's context says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestContext {
    /// The path that the client used, stage prefix included, with one slash at its start and none at its end.
    pub path: String,
    /// The path parameter `id`, on the route that has one.
    pub id: Option<String>,
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
    /// Reads a request's context.
    pub fn of(request: &Request) -> RequestContext {
        let lambda = request.lambda_context_ref();
        let mut context = RequestContext {
            path: request.raw_http_path().to_owned(),
            id: request.path_parameters_ref().and_then(|parameters| parameters.first("id")).map(str::to_owned),
            request_id: lambda.map(|context| context.request_id.clone()).unwrap_or_default(),
            deadline: lambda
                .filter(|context| context.deadline > 0)
                .map(|context| Timestamp::from_millis(context.deadline)),
            ..RequestContext::default()
        };
        match request.request_context_ref() {
            Some(GatewayContext::ApiGatewayV2(gateway)) => {
                let authorizer = gateway.authorizer.as_ref();
                let iam = authorizer.and_then(|authorizer| authorizer.iam.as_ref());
                let jwt = authorizer.and_then(|authorizer| authorizer.jwt.as_ref());
                context.caller = iam
                    .and_then(|iam| iam.user_arn.clone())
                    .or_else(|| jwt.and_then(|jwt| jwt.claims.get("sub").cloned()));
                context.source_ip.clone_from(&gateway.http.source_ip);
                context.gateway_request_id(gateway.request_id.as_ref());
            }
            Some(GatewayContext::ApiGatewayV1(gateway)) => {
                let claims = gateway.authorizer.fields.get("claims");
                context.caller = gateway
                    .identity
                    .user_arn
                    .clone()
                    .or_else(|| claims.and_then(|claims| claims.get("sub")?.as_str()).map(str::to_owned));
                context.source_ip.clone_from(&gateway.identity.source_ip);
                context.gateway_request_id(gateway.request_id.as_ref());
                // Unlike the event's own path, the context's has the stage, or a custom domain's base path.
                if let Some(path) = &gateway.path {
                    context.path.clone_from(path);
                }
            }
            _ => {}
        }
        context.path = on_this_host(&context.path);
        context
    }

    /// Who the caller is over time: the ARN of an assumed role without its session's name, which is new each time the
    /// role is assumed, or the caller as it is. `None` where the log is open to everyone.
    pub fn principal(&self) -> Option<&str> {
        let caller = self.caller.as_deref()?;
        match caller.split_once(":assumed-role/") {
            Some(_) => Some(caller.rsplit_once('/').map_or(caller, |(role, _session)| role)),
            None => Some(caller),
        }
    }

    fn gateway_request_id(&mut self, id: Option<&String>) {
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            self.request_id.clone_from(id);
        }
    }
}

/// A path as a reference begins with it. With two slashes in front it would name another host (RFC 3986 §4.2), with none
/// it could be one within the path of the request.
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
            (Some("arn:aws:iam::123456789012:user/ann"), Some("arn:aws:iam::123456789012:user/ann")),
            (Some("auth0|4711"), Some("auth0|4711")),
            (None, None),
        ] {
            let context = RequestContext { caller: caller.map(str::to_owned), ..RequestContext::default() };
            assert_eq!(context.principal(), principal);
        }
    }
}
