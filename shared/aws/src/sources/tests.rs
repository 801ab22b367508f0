//! What is asked for, and where it is not.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use crate::clients::Access;

use super::*;

fn ways_out(asker: Asker) -> WaysOut {
    let lookup = |name: &str| match name {
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("key".to_owned()),
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        _ => None,
    };
    WaysOut::new(asker, Clients::new(Access::from_lookup(lookup).unwrap()).unwrap())
}

#[test]
fn a_url_has_the_items_attributes_and_nothing_that_is_none_of_one() {
    let item = Item::from([
        ("id".to_owned(), Value::String("a/b?c=1 ü".to_owned())),
        ("n".to_owned(), Value::Number("1.50".parse().unwrap())),
    ]);
    let url = |text| filled(text, &item, Fit::Url);
    assert_eq!(url("http://x/{id}/{n}").unwrap(), "http://x/a%2Fb%3Fc%3D1%20%C3%BC/1.5");
    assert_eq!(url("http://x/{other}"), None);
    assert_eq!(url("http://x/{id"), None);
    assert_eq!(filled("of/{n}.json", &item, Fit::Key).unwrap(), "of/1.5.json");
    assert_eq!(filled("of/{id}.json", &item, Fit::Key), None, "a slash leads elsewhere");
}

#[test]
fn a_pointer_leads_to_a_value_or_to_none() {
    let document = br#"{"tier": {"name": "gold", "none": null}, "n": 12.50}"#;
    assert_eq!(pointed(document, "/tier/name").unwrap(), Some(Value::String("gold".to_owned())));
    assert_eq!(pointed(document, "/n").unwrap(), Some(Value::Number("12.5".parse().unwrap())));
    assert_eq!(pointed(document, "/tier/none").unwrap(), None);
    assert_eq!(pointed(document, "/nothing").unwrap(), None);
    assert!(pointed(b"<html>", "").is_err());
}

/// A port of this machine on which a connection would be seen, and which nobody is to reach.
#[tokio::test]
async fn a_function_asks_nothing_of_its_own_machine_and_of_nobodys_link() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let function = ways_out(Asker::Function);
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1", "0.0.0.0"] {
        for scheme in ["http", "https"] {
            let told = function.document(&format!("{scheme}://{host}:{port}/")).await.unwrap_err();
            // Some of these are no hosts at all to some resolvers, and to certificates.
            let refused = ["no source may be", "lookup", "invalid dns name"];
            let is_refused = refused.iter().any(|why| told.contains(why));
            assert!(is_refused, "{host}: {told}");
        }
    }
    assert!(listener.accept().is_err(), "somebody connected");
    for asker in [Asker::Function, Asker::Machine] {
        let told = ways_out(asker).document("http://169.254.169.254/latest/meta-data").await.unwrap_err();
        assert!(told.contains("no source may be at 169.254.169.254"), "{told}");
    }
    for wrong in ["ftp://example.com/", "file:///etc/passwd", "example.com/a", ""] {
        assert!(function.document(wrong).await.is_err(), "{wrong}");
    }
    assert!(function.object("no bucket", "key").await.unwrap_err().contains("no name of a bucket"));
}
