//! The DynamoDB behind a proxy: where it is, and how requests to it are signed.

use anyhow::{Context, anyhow, bail};
use aws_sdk_dynamodb::Client;
use bytes::Bytes;
use evercount_aws::clients::Clients;
use evercount_aws::dynamo::DynamoTable;
use evercount_aws::signed::Signed;
use evercount_local::client;
use evercount_proxy::server::{Handler, PlainUpstream};
use evercount_proxy::upstream::{Unreachable, Upstream};
use http::{Request, Response};

use crate::args::proxy::{ProxyArgs, SignArg};
use crate::target::{Opened, Target};

/// The region that an upstream at a URL is told; emulators do not ask.
const REGION: &str = "eu-central-1";

/// An upstream.
#[derive(Debug)]
pub enum AnyUpstream {
    /// Requests keep the signature they came with.
    Plain(String, PlainUpstream),
    /// Requests are signed anew.
    Signed(Signed),
}

impl AnyUpstream {
    /// Where it is.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Plain(url, _) => url.clone(),
            Self::Signed(signed) => signed.url(),
        }
    }
}

impl Upstream for AnyUpstream {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Unreachable> {
        match self {
            Self::Plain(_, plain) => plain.send(request).await,
            Self::Signed(signed) => signed.send(request).await,
        }
    }
}

/// Passes everything on: what the function behind a URL does with it is the function's.
#[derive(Debug)]
pub struct Forward(pub AnyUpstream);

impl Handler for Forward {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let unreachable =
            |error: Unreachable| evercount_proxy::answer::Refusal::Unavailable(error.0).answer();
        self.0.send(request).await.unwrap_or_else(unreachable)
    }
}

/// The upstream that the arguments name, else that of the target, and its tables.
///
/// # Errors
/// Where there is none, or it cannot be signed for.
pub async fn of_target(args: &ProxyArgs, opened: &Opened) -> anyhow::Result<(AnyUpstream, DynamoTable)> {
    let store = opened.stack.store();
    let sign = args.sign.unwrap_or(match opened.target {
        Target::Aws(_) if args.upstream.is_none() => SignArg::Dynamodb,
        _ => SignArg::None,
    });
    if sign == SignArg::Dynamodb {
        let clients = Clients::of_a_person().await;
        let signed = clients.dynamodb_upstream(args.upstream.as_deref()).await;
        let signed = signed.context("requests to DynamoDB cannot be signed")?;
        let config = clients.dynamodb().config().to_builder().endpoint_url(signed.url()).build();
        let table = store.written_tables(&Client::from_conf(config));
        return Ok((AnyUpstream::Signed(signed), table));
    }
    let url = match (&args.upstream, &opened.target, opened.stack.embedded_aws()) {
        (Some(url), _, _) => url.clone(),
        (None, _, Some(aws)) => aws.dynamodb_endpoint(),
        (None, Target::Local { dynamodb, .. }, None) => dynamodb.clone(),
        (None, Target::Endpoint(url), None) => url.clone(),
        (None, other, None) => {
            bail!(
                "`evercount proxy --sign none` has no way to {other}, which asks who calls; leave --sign out"
            )
        }
    };
    let plain = PlainUpstream::new(&url).map_err(|wrong| anyhow!(wrong))?;
    let table = match &args.upstream {
        Some(url) => store.written_tables(&client::dynamodb(url, REGION)),
        None => store.written_tables(opened.stack.dynamodb()),
    };
    Ok((AnyUpstream::Plain(url, plain), table))
}

/// The URL of the data proxy's function.
///
/// # Errors
/// Where nobody names it, or it cannot be signed for.
pub async fn of_function(args: &ProxyArgs) -> anyhow::Result<AnyUpstream> {
    let Some(url) = &args.upstream else {
        bail!("`--sign lambda` needs the function's URL: --upstream URL, as the output DataProxyUrl tells it")
    };
    let signed = Clients::of_a_person().await.function_upstream(url);
    Ok(AnyUpstream::Signed(signed.context("requests to the function cannot be signed")?))
}
