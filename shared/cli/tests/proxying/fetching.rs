//! Values of columns to come, fetched ahead: behind URLs with and without TLS, and from objects of S3, by the
//! command and by the function.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use evercount_aws::data_proxy::{Answered, DataProxy};
use evercount_aws::dynamo::TableNames;
use evercount_aws::sources::{Asker, WaysOut};
use evercount_core::change::{RowIdentity, RowKey, TableName};
use evercount_core::shadow::{Prefetch, PrefetchFrom, ShadowColumn, ShadowSchema};
use evercount_core::value::Value as Stored;
use evercount_local::stack::now;
use evercount_local::{EmbeddedOptions, Stack};
use evercount_pipeline::ports::{ShadowSchemaStore as _, ShadowStore as _};
use evercount_proxy::server::{Handler, PlainUpstream, listen, serve};
use evercount_proxy::{Proxy, ProxyOptions};
use http::{Request, Response};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::refusing::table;
use super::s3::StandIn;
use super::stage::{call, expected, register};

/// Has a tier for `a` and for `b`, and for nobody else; and what it was asked.
#[derive(Default)]
struct Source(Mutex<Vec<String>>);

impl Source {
    fn answer(&self, path: &str) -> (u16, String) {
        self.0.lock().unwrap().push(path.to_owned());
        match path {
            "/tiers/a" | "/tiers/b" => (200, json!({"of": {"tier": format!("gold {path}")}}).to_string()),
            "/tiers/moved" => (302, String::new()),
            _ => (404, String::new()),
        }
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = self.0.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

impl Handler for Source {
    async fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (status, body) = self.answer(request.uri().path());
        let answer = Response::builder().status(status).header("location", "http://127.0.0.1:1/");
        answer.body(Bytes::from(body)).unwrap()
    }
}

async fn plain(source: &Arc<Source>) -> String {
    let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, Arc::clone(source), std::future::pending()));
    url
}

/// The same behind TLS, with a certificate that only the authority beside it vouches for.
async fn with_tls(source: &Arc<Source>) -> String {
    let chain = CertificateDer::pem_slice_iter(include_bytes!("tls/localhost.pem")).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/localhost.key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(chain.unwrap(), key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let source = Arc::clone(source);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, source) = (acceptor.clone(), Arc::clone(&source));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let (mut read, mut buffer) = (Vec::new(), [0; 1024]);
                while !read.ends_with(b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(0) | Err(_) => return,
                        Ok(length) => read.extend(&buffer[..length]),
                    }
                }
                let text = String::from_utf8(read).unwrap();
                let (status, body) = source.answer(text.split(' ').nth(1).unwrap());
                let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
                let answer = format!("{head}connection: close\r\n\r\n{body}");
                let _: std::io::Result<()> = stream.write_all(answer.as_bytes()).await;
                let _: std::io::Result<()> = stream.shutdown().await;
            });
        }
    });
    url
}

fn from(from: PrefetchFrom) -> ShadowColumn {
    ShadowColumn { prefetch: Some(Prefetch { from, fresh_for: 86_400_000_000 }), ..expected(None) }
}

fn web(url: String) -> ShadowColumn {
    from(PrefetchFrom::Http { url, pointer: "/of/tier".to_owned() })
}

fn object(key: &str) -> ShadowColumn {
    let (bucket, key, pointer) = ("bucket".to_owned(), key.to_owned(), "/tier".to_owned());
    from(PrefetchFrom::S3 { bucket, key, pointer })
}

/// A stack with a table of three items, that expects these columns.
async fn stack(options: EmbeddedOptions, columns: &[(&str, ShadowColumn)]) -> (Stack, PlainUpstream) {
    let stack = Stack::embedded(options, TableNames::default()).await.unwrap();
    let straight = PlainUpstream::new(&stack.embedded_aws().unwrap().dynamodb_endpoint()).unwrap();
    table(&straight).await;
    register(stack.store(), "orders", &["id", "state"]).await;
    let columns = columns.iter().map(|(name, column)| ((*name).to_owned(), column.clone())).collect();
    let orders = TableName::new("orders");
    let shadow = ShadowSchema { revision: 1, columns, ..ShadowSchema::nothing(orders, 0) };
    stack.store().replace_shadow_schema(None, &shadow).await.unwrap();
    for id in ["a", "b", "c/d"] {
        let put = json!({"TableName": "orders", "Item": {"id": {"S": id}}});
        assert_eq!(call(&straight, "PutItem", &put).await.status, 200);
    }
    (stack, straight)
}

/// What is kept beside the item of a key, by column.
async fn kept(stack: &Stack, id: &str) -> BTreeMap<String, Option<String>> {
    let row = RowKey {
        table: TableName::new("orders"),
        identity: RowIdentity::Key(json!({"id": id}).to_string().into()),
    };
    let rows = stack.store().shadow_rows(&[row.clone()].into()).await.unwrap();
    let text = |value: &Option<Stored>| match value {
        Some(Stored::String(text)) => Some(text.clone()),
        _ => None,
    };
    let values = rows.get(&row).map(|row| row.values.clone()).unwrap_or_default();
    values.iter().map(|(name, value)| (name.clone(), text(&value.value))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_fetches_behind_urls_and_from_s3_and_asks_again_for_nothing() {
    let home = tempfile::tempdir().unwrap();
    let data_file = Some(home.path().join("dynamodb.sqlite"));
    let options = EmbeddedOptions { data_file, ..EmbeddedOptions::default() };
    let (source, safe, s3) = (Arc::<Source>::default(), Arc::<Source>::default(), StandIn::start().await);
    s3.put("tiers/a.json", br#"{"tier": "silver"}"#);
    let columns = [
        ("web", web(format!("{}/tiers/{{id}}", plain(&source).await))),
        ("safe", web(format!("{}/tiers/{{id}}", with_tls(&safe).await))),
        ("stored", object("tiers/{id}.json")),
    ];
    let (stack, straight) = self::stack(options.clone(), &columns).await;
    drop(straight);
    stack.stop().await;

    let authority = home.path().join("authority.pem");
    std::fs::write(&authority, include_bytes!("tls/authority.pem")).unwrap();
    let mut running = super::served::evercount(home.path())
        .envs(s3.environment())
        .env("SSL_CERT_FILE", &authority)
        .args(["proxy", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let ready = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await.unwrap().unwrap();
    let ready: Value = serde_json::from_str(&ready.unwrap()).unwrap();
    let client = PlainUpstream::new(ready["ready"].as_str().unwrap()).unwrap();
    let read = async |id: &str| {
        let get = json!({"TableName": "orders", "Key": {"id": {"S": id}}});
        call(&client, "GetItem", &get).await.body["Item"].clone()
    };
    let expected = json!({"id": {"S": "a"}, "web": {"S": "gold /tiers/a"}, "safe": {"S": "gold /tiers/a"},
        "stored": {"S": "silver"}});
    for _ in 0..300 {
        if read("a").await == expected && read("b").await["safe"]["S"] == "gold /tiers/b" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(read("a").await, expected);
    assert_eq!(read("c/d").await, json!({"id": {"S": "c/d"}}));
    // That there is none is kept as well, so that nothing is asked for twice.
    for source in [&source, &safe] {
        let mut asked = source.asked();
        asked.sort();
        assert_eq!(asked, ["/tiers/a", "/tiers/b", "/tiers/c%2Fd"]);
    }
    let mut calls = s3.calls();
    calls.sort();
    assert_eq!(calls, ["GET /bucket/tiers/a.json", "GET /bucket/tiers/b.json"]);
    assert_eq!(s3.refused(), Vec::<String>::new());
    drop(client);
    running.kill().await.unwrap();

    let stack = Stack::embedded(options, TableNames::default()).await.unwrap();
    let of_b = [("safe", Some("gold /tiers/b")), ("stored", None), ("web", Some("gold /tiers/b"))];
    let of_b = of_b.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
    assert_eq!(kept(&stack, "b").await, of_b.into());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upon_its_schedule_the_function_fetches_from_s3_and_asks_nothing_of_its_own_machine() {
    let (source, s3) = (Arc::<Source>::default(), StandIn::start().await);
    for id in ["a", "b"] {
        s3.put(&format!("tiers/{id}.json"), br#"{"tier": "silver"}"#);
    }
    let columns = [
        ("web", web(format!("{}/tiers/{{id}}", plain(&source).await))),
        ("stored", object("tiers/{id}.json")),
    ];
    let (stack, straight) = self::stack(EmbeddedOptions::default(), &columns).await;
    let (store, written) = (stack.store().clone(), stack.store().written_tables(stack.dynamodb()));
    let proxy = Proxy::new(straight, store, written, ProxyOptions::default(), now);
    let function = DataProxy::new(proxy, now).with_sources(WaysOut::new(Asker::Function, s3.clients()));
    let turns = AtomicUsize::new(0);
    let look_after = async || {
        turns.fetch_add(1, Ordering::Relaxed);
        function.handle(b"{\"look_after\": true}", now() + 30_000_000).await.unwrap()
    };
    assert_eq!(look_after().await, Answered::LookedAfter { tables: 1 });
    let of_a = kept(&stack, "a").await;
    assert_eq!(of_a, [("stored".to_owned(), Some("silver".to_owned()))].into());
    assert_eq!(source.asked(), Vec::<String>::new());
    let mut calls = s3.calls();
    calls.sort();
    assert_eq!(calls, ["GET /bucket/tiers/a.json", "GET /bucket/tiers/b.json"]);
    // The table was gone through, and is left alone for a while.
    assert_eq!(look_after().await, Answered::LookedAfter { tables: 0 });
    assert_eq!((s3.calls().len(), turns.load(Ordering::Relaxed)), (2, 2));
    stack.stop().await;
}
