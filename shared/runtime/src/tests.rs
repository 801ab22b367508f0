//! A handler sees the bytes that the Runtime API sent.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use super::*;

/// Answers the first poll of a runtime with a body, and gives back what the runtime answered.
fn serve(listener: &TcpListener, body: &[u8]) -> (String, String) {
    let (mut connection, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut read = || {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut content = vec![0; length];
        reader.read_exact(&mut content).unwrap();
        (head, String::from_utf8(content).unwrap())
    };
    read();
    let head = format!(
        "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: r-1\r\nlambda-runtime-deadline-ms: 1700000000000\r\n\
         lambda-runtime-invoked-function-arn: arn\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    connection.write_all(body).unwrap();
    read()
}

#[test]
fn the_body_reaches_the_handler_untouched_and_its_answer_goes_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = listener.local_addr().unwrap().to_string();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::as_a_function", "--ignored", "--nocapture"])
        .env("AWS_LAMBDA_RUNTIME_API", &api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "f")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdout(std::process::Stdio::null())
        .spawn();
    let mut child = child.unwrap();
    // Not JSON at all: nobody but the handler reads it.
    let (head, answer) = serve(&listener, b"\xff no json at all");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(head.starts_with("POST /2018-06-01/runtime/invocation/r-1/response"), "{head}");
    assert_eq!(answer, "[16,255,1700000000000000]");
}

#[test]
#[ignore = "the other half of the test above, in a process of its own"]
fn as_a_function() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handler = |invocation: Invocation| async move {
        Ok((invocation.body.len(), invocation.body.first().copied(), invocation.deadline))
    };
    runtime.block_on(run(handler)).unwrap();
}

#[test]
fn a_body_is_of_one_request_and_is_taken_once() {
    let aside = Aside::default();
    aside.put("a".to_owned(), Bytes::from_static(b"1"));
    assert_eq!(aside.take("b"), Err(NoBody));
    aside.put("b".to_owned(), Bytes::from_static(b"2"));
    assert_eq!(aside.take("b"), Ok(Bytes::from_static(b"2")));
    assert_eq!(aside.take("b"), Err(NoBody));
}
