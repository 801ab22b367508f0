//! Owns what stands for AWS: a port that admits whoever signed for it, before the data proxy's function or
//! before DynamoDB.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sigv4::http_request::SigningSettings;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evercount_aws::clients::{Access, Clients};
use evercount_aws::config::DataProxyConfig;
use evercount_aws::data_proxy::{Answered, DataProxy};
use evercount_aws::dynamo::{DynamoStore, DynamoTable};
use evercount_aws::signed::Signed;
use evercount_local::stack::now;
use evercount_proxy::Proxy;
use evercount_proxy::server::{Handler, PlainUpstream};
use evercount_proxy::upstream::Upstream as _;
use http::{Request, Response};
use serde_json::json;

use crate::served::Served;
use crate::signature::{Demands, ID, REGION, SECRET, check};

/// What is behind the port.
enum Behind {
    /// The function, as it is deployed.
    Function(Box<DataProxy<Signed, DynamoStore, DynamoTable>>),
    DynamoDb(Box<PlainUpstream>),
}

struct Port {
    behind: Behind,
    admitted: AtomicUsize,
    refused: Mutex<Vec<String>>,
}

/// A served port.
pub struct StandIn {
    served: Served<Port>,
}

impl StandIn {
    /// The URL of the function, in front of a DynamoDB.
    pub async fn function(dynamodb: &str) -> Self {
        let lookup = |name: &str| {
            let value = match name {
                "AWS_ACCESS_KEY_ID" => ID,
                "AWS_SECRET_ACCESS_KEY" => SECRET,
                "AWS_REGION" => REGION,
                "AWS_ENDPOINT_URL_DYNAMODB" => dynamodb,
                "EVERCOUNT_PROXY_TABLE_MODES" => "orders=strict",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let config = DataProxyConfig::from_lookup(lookup).unwrap();
        let clients = Clients::new(Access::from_lookup(lookup).unwrap()).unwrap();
        let upstream = clients.dynamodb_upstream(None).await.unwrap();
        let store = DynamoStore::new(&clients.dynamodb(), config.tables);
        let table = store.written_tables(&clients.dynamodb());
        let proxy = DataProxy::new(Proxy::new(upstream, store, table, config.options, now), now);
        Self::serve(Behind::Function(Box::new(proxy))).await
    }

    /// A DynamoDB.
    pub async fn dynamodb(url: &str) -> Self {
        Self::serve(Behind::DynamoDb(Box::new(PlainUpstream::new(url).unwrap()))).await
    }

    async fn serve(behind: Behind) -> Self {
        let port = Port { behind, admitted: AtomicUsize::new(0), refused: Mutex::default() };
        Self { served: Served::start(port).await }
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.served.url
    }

    pub fn admitted(&self) -> usize {
        self.served.port.admitted.load(Ordering::Relaxed)
    }

    /// Why requests were refused.
    pub fn refused(&self) -> Vec<String> {
        self.served.port.refused.lock().unwrap().clone()
    }
}

impl Handler for Port {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let service = match &self.behind {
            Behind::Function(_) => "lambda",
            Behind::DynamoDb(_) => "dynamodb",
        };
        let headers = &["host", "x-amz-date", "x-amz-target"];
        let settings = SigningSettings::default();
        if let Err(why) = check(&request, Demands { service, token: None, headers, settings }) {
            self.refused.lock().unwrap().push(why);
            let refused = Response::builder().status(403);
            return refused.body(Bytes::from_static(b"{\"Message\":\"Forbidden\"}")).unwrap();
        }
        self.admitted.fetch_add(1, Ordering::Relaxed);
        match &self.behind {
            Behind::DynamoDb(upstream) => upstream.send(request).await.unwrap(),
            Behind::Function(function) => {
                let in_a_minute = now() + 60_000_000;
                let answered = function.handle(event(&request).as_bytes(), in_a_minute).await.unwrap();
                let Answered::Request(answer) = answered else { panic!("{answered:?}") };
                assert!(answer.is_base64_encoded);
                let body = STANDARD.decode(answer.body.unwrap()).unwrap();
                let mut response = Response::new(Bytes::from(body));
                *response.status_mut() = u16::try_from(answer.status_code).unwrap().try_into().unwrap();
                *response.headers_mut() = answer.headers;
                response
            }
        }
    }
}

/// What Lambda makes of a request to the URL of a function
/// (<https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html>).
fn event(request: &Request<Bytes>) -> String {
    let headers: serde_json::Map<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), json!(value.to_str().unwrap())))
        .collect();
    let http = json!({"method": request.method().as_str(), "path": request.uri().path(), "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1", "userAgent": "sdk"});
    json!({"version": "2.0", "routeKey": "$default", "rawPath": request.uri().path(),
        "rawQueryString": request.uri().query().unwrap_or_default(), "headers": headers,
        "requestContext": {"accountId": "111122223333", "apiId": "id", "domainName": "id.lambda-url.on.aws",
            "domainPrefix": "id", "http": http, "requestId": "id", "routeKey": "$default", "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000", "timeEpoch": 1_583_348_638_390_i64},
        "body": STANDARD.encode(request.body()), "isBase64Encoded": true})
    .to_string()
}
