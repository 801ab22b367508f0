//! boto3, unmodified but for its endpoint.

use std::process::Stdio;

use evercount_core::resolve::Mode;
use tokio::process::Command;

use super::stage::Stage;

const WORKLOAD: &str = r##"
import sys, boto3
from botocore.exceptions import ClientError
table = boto3.resource("dynamodb", endpoint_url=sys.argv[1], region_name="eu-central-1",
                       aws_access_key_id="test", aws_secret_access_key="test").create_table(
    TableName="orders", BillingMode="PAY_PER_REQUEST",
    AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}])
table.wait_until_exists()
for n in range(50):
    table.put_item(Item={"id": f"o-{n}", "state": "NEW", "amount": n})
for n in range(0, 50, 2):
    table.update_item(Key={"id": f"o-{n}"}, UpdateExpression="SET #s = :p ADD amount :one",
                      ExpressionAttributeNames={"#s": "state"}, ExpressionAttributeValues={":p": "PAID", ":one": 1})
for n in range(0, 50, 5):
    table.delete_item(Key={"id": f"o-{n}"})
try:
    table.put_item(Item={"id": "x", "staet": "NEW"})
    sys.exit("an unknown attribute passed")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ValidationException", error
    assert "`staet`" in str(error) and "`state`" in str(error), error
items = table.scan(ConsistentRead=True)["Items"]
assert len(items) == 40, len(items)
for item in items:
    n = int(item["id"][2:])
    assert item == {"id": f"o-{n}", "state": "NEW" if n % 2 else "PAID", "amount": n + (n + 1) % 2}, item
print("done")
"##;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_reads_and_writes_through_the_proxy() {
    let probe = Command::new("python3").args(["-c", "import boto3"]).stderr(Stdio::null()).status().await;
    if !probe.is_ok_and(|status| status.success()) {
        println!("skipped: there is no python3 with boto3 on this machine");
        return;
    }
    let stage = Stage::new(Mode::Strict).await;
    stage.register("orders", &["id", "state", "amount"]).await;
    let ran = Command::new("python3").args(["-c", WORKLOAD, &stage.url]).output().await.unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && told.contains("done"), "{told}");
    stage.aws.stop().await;
}
